//! How a [`LiveScene`] carries out the steps of a timeline.

use std::collections::BTreeMap;

use navarch_proto::api::{
    ListNodesRequest, NodeCommandType, NodeInfo, NodeStatus, ReportPoolMetricsRequest,
    ScalePoolRequest,
};

use super::{configuration::is_simulated, scene::LiveScene};
use crate::{
    client::rpc::{ReportPoolMetrics, ScalePool},
    config::format_millis,
    fake_cloud::agents::Ailment,
    sim::{
        acts::draw,
        error::SimError,
        step::{Choice, Drought, Failure, Step},
    },
};

impl LiveScene<'_> {
    /// Carries a step out; what it came to, or why not.
    pub(super) async fn act(&mut self, step: &Step) -> Result<String, String> {
        match step {
            Step::Load(load) => {
                let now_ms = self.clock.wall_ms();
                self.clouds.loads.begin(&load.pool, (load.to, load.over_ms), now_ms);
                Ok(String::new())
            }
            Step::Queue(queue) => {
                let request = ReportPoolMetricsRequest {
                    pool: queue.pool.clone(),
                    pending_jobs: queue.pending,
                    queue_depth: queue.depth,
                    utilization: None,
                    ttl_ms: queue.ttl_ms,
                };
                let told = self.operator.call::<ReportPoolMetrics>("report the figures", request);
                told.await.map(|_| String::new())
            }
            Step::Fail(choice, failure) => self.fail(choice, failure).await,
            Step::Revive(choice) => self.revive(choice).await,
            Step::Drought(drought) => self.set_drought(drought, true),
            Step::DroughtEnds(drought) => self.set_drought(drought, false),
            Step::Cordon(choice) => self.order(choice, NodeCommandType::Cordon, None).await,
            Step::Drain(choice, deadline_ms) => {
                let deadline = Some(format_millis(*deadline_ms));
                self.order(choice, NodeCommandType::Drain, deadline).await
            }
            Step::Uncordon(choice) => self.order(choice, NodeCommandType::Uncordon, None).await,
            Step::Scale { pool, nodes, hold_ms } => {
                let request =
                    ScalePoolRequest { name: pool.clone(), nodes: *nodes, hold_ms: Some(*hold_ms) };
                let scaled = self.operator.call::<ScalePool>("scale the pool", request).await;
                scaled.map(|_| String::new())
            }
            Step::Apply(config, force) => self.apply(config, *force).await.map(|()| String::new()),
        }
        .map_err(|error: SimError| error.to_string())
    }

    async fn order(
        &self,
        choice: &Choice,
        kind: NodeCommandType,
        deadline: Option<String>,
    ) -> Result<String, SimError> {
        let chosen = self.choose(choice, |node| can_be_told(node, kind)).await?;
        let ids: Vec<_> = chosen.into_keys().collect();
        self.operator.order(&ids, kind, deadline).await?;
        Ok(ids.join(", "))
    }

    async fn fail(&self, choice: &Choice, failure: &Failure) -> Result<String, SimError> {
        let well = |node: &NodeInfo| {
            takes_part(node) && self.clouds.is_well(&node.provider, &node.node_id) == Some(true)
        };
        let chosen = self.choose(choice, well).await?;
        for (id, provider) in &chosen {
            let Some(cloud) = self.clouds.of(provider) else { continue };
            match failure {
                Failure::Silent => cloud.silence(id).await?,
                Failure::Vanish => cloud.vanish(id).await?,
                Failure::Xid(code) => {
                    self.clouds.ail(id, Ailment { xid: Some(*code), failing_check: None });
                }
                Failure::Check(name) => {
                    let failing_check = Some(name.clone());
                    self.clouds.ail(id, Ailment { failing_check, xid: None });
                }
            }
        }
        Ok(joined(&chosen))
    }

    async fn revive(&self, choice: &Choice) -> Result<String, SimError> {
        let ill =
            |node: &NodeInfo| self.clouds.is_well(&node.provider, &node.node_id) == Some(false);
        let chosen = self.choose(choice, ill).await?;
        for (id, provider) in &chosen {
            self.clouds.ail(id, Ailment::default());
            if let Some(cloud) = self.clouds.of(provider) {
                cloud.revive(id).await?;
            }
        }
        Ok(joined(&chosen))
    }

    fn set_drought(&self, drought: &Drought, dry: bool) -> Result<String, SimError> {
        // The reader has checked that there is such a provider, and each has a cloud.
        if let Some(cloud) = self.clouds.of(&drought.provider) {
            cloud.set_drought(drought.instance_type.as_deref(), dry)?;
        }
        Ok(String::new())
    }

    /// Draws nodes of a pool among those that pass; answers the provider of each.
    async fn choose(
        &self,
        choice: &Choice,
        passes: impl Fn(&NodeInfo) -> bool,
    ) -> Result<BTreeMap<String, String>, SimError> {
        let request = ListNodesRequest { pool: choice.pool.clone(), ..ListNodesRequest::default() };
        let mut providers = eligible(self.operator.nodes(request).await?, passes);
        let drawn = draw(&self.chance, providers.keys().cloned().collect(), choice);
        providers.retain(|id, _| drawn.contains(id));
        Ok(providers)
    }
}

/// The simulated nodes among those that pass, and the provider of each. A node that is not simulated may count towards a
/// pool of the same name, and no step is about it.
fn eligible(nodes: Vec<NodeInfo>, passes: impl Fn(&NodeInfo) -> bool) -> BTreeMap<String, String> {
    let nodes = nodes.into_iter().filter(|node| is_simulated(node) && passes(node));
    nodes.map(|node| (node.node_id, node.provider)).collect()
}

fn joined(nodes: &BTreeMap<String, String>) -> String {
    nodes.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether the node's machine does the pool's work.
fn takes_part(node: &NodeInfo) -> bool {
    let at_work = match node.status() {
        NodeStatus::Active | NodeStatus::Cordoned | NodeStatus::Unhealthy => true,
        NodeStatus::Draining | NodeStatus::Terminated | NodeStatus::Unknown => false,
    };
    at_work && !node.lost
}

/// Whether an order would change anything about a node.
fn can_be_told(node: &NodeInfo, kind: NodeCommandType) -> bool {
    match kind {
        NodeCommandType::Cordon => {
            matches!(node.status(), NodeStatus::Active | NodeStatus::Unhealthy)
        }
        NodeCommandType::Drain => takes_part(node),
        NodeCommandType::Uncordon => matches!(
            node.status(),
            NodeStatus::Cordoned | NodeStatus::Draining | NodeStatus::Unhealthy
        ),
        NodeCommandType::Unknown | NodeCommandType::RunDiagnostic | NodeCommandType::Terminate => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use navarch_proto::api::NodeMetadata;

    use super::*;
    use crate::sim::live::configuration::SIMULATED;

    /// Without it a scenario could cordon or drain a machine that somebody works on.
    #[test]
    fn steps_are_about_simulated_nodes_alone() {
        let node = |id: &str, labels: &[(&str, &str)]| NodeInfo {
            node_id: id.to_owned(),
            provider: "cloud".to_owned(),
            status: NodeStatus::Active.into(),
            pool: "training".to_owned(),
            metadata: Some(NodeMetadata {
                labels: labels
                    .iter()
                    .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                    .collect(),
                ..NodeMetadata::default()
            }),
            ..NodeInfo::default()
        };
        let nodes = || {
            vec![
                node("simulated", &[("pool", "training"), (SIMULATED, "true")]),
                node("on-premises", &[("pool", "training")]),
                node("no-simulation", &[(SIMULATED, "false")]),
                NodeInfo { metadata: None, ..node("silent", &[]) },
            ]
        };
        for kind in [NodeCommandType::Cordon, NodeCommandType::Drain] {
            let chosen = eligible(nodes(), |node| can_be_told(node, kind));
            assert_eq!(joined(&chosen), "simulated");
        }
        assert_eq!(joined(&eligible(nodes(), |_| false)), "");
    }
}
