//! How a [`Scene`] carries out the steps of a timeline.

use std::sync::Arc;

use navarch_fleet::{Administrative, Node};
use navarch_host::Chance;
use navarch_proto::fleet::{
    CordonNode, DrainNode, RecordPoolMetrics, ScalePool, UncordonNode, proposal::Kind,
};

use super::{
    scene::Scene,
    step::{Choice, Drought, Failure, Step},
};
use crate::{health::Policy, ledger::ProposeError};

/// Why people do it, as the journal tells.
const REASON: &str = "by the scenario";

impl Scene {
    /// Carries a step out; what it came to, or why not.
    pub(super) async fn act(&self, step: &Step) -> Result<String, String> {
        let now_ms = self.ledger.log_time_ms();
        match step {
            Step::Load(load) => {
                let now_ms = self.ledger.clock().wall_ms();
                self.agents.loads.begin(&load.pool, (load.to, load.over_ms), now_ms);
                Ok(String::new())
            }
            Step::Queue(queue) => {
                let record = RecordPoolMetrics {
                    pool: queue.pool.clone(),
                    pending_jobs: queue.pending,
                    queue_depth: queue.depth,
                    utilization: None,
                    ttl_ms: queue.ttl_ms,
                };
                let recorded = self.propose(Kind::RecordPoolMetrics(record)).await;
                recorded.map(|_| String::new()).map_err(in_words)
            }
            Step::Fail(choice, failure) => Ok(self.fail(choice, failure)),
            Step::Revive(choice) => Ok(self.revive(choice)),
            Step::Drought(drought) => self.set_drought(drought, true),
            Step::DroughtEnds(drought) => self.set_drought(drought, false),
            Step::Cordon(choice) => self.cordon(choice).await,
            Step::Drain(choice, deadline_ms) => {
                let until_ms = if *deadline_ms == 0 { 0 } else { now_ms + deadline_ms };
                self.drain(choice, until_ms).await
            }
            Step::Uncordon(choice) => self.uncordon(choice).await,
            Step::Scale { pool, nodes, hold_ms } => {
                let hold_until_ms = now_ms.saturating_add(*hold_ms);
                let scale = ScalePool { pool: pool.clone(), target: *nodes, hold_until_ms };
                let scaled = self.propose(Kind::ScalePool(scale)).await;
                scaled.map(|_| String::new()).map_err(in_words)
            }
            Step::Apply(config, force) => {
                Policy::compile(&config.fleet.policy_yaml, 0).map_err(|error| error.to_string())?;
                self.apply(&config.fleet, *force).await.map_err(|error| error.to_string())?;
                Ok(String::new())
            }
        }
    }

    async fn cordon(&self, choice: &Choice) -> Result<String, String> {
        let ids = self.choose(choice, |node| node.administrative == Administrative::Active);
        let cordon = |node_id| {
            let reason = REASON.to_owned();
            Kind::CordonNode(CordonNode { node_id, reason, ..CordonNode::default() })
        };
        self.propose_each(ids, cordon).await
    }

    async fn drain(&self, choice: &Choice, deadline_ms: u64) -> Result<String, String> {
        let drain = |node_id| {
            let reason = REASON.to_owned();
            Kind::DrainNode(DrainNode { node_id, reason, deadline_ms, ..DrainNode::default() })
        };
        self.propose_each(self.choose(choice, takes_part), drain).await
    }

    async fn uncordon(&self, choice: &Choice) -> Result<String, String> {
        let ids = self.choose(choice, |node| {
            !node.is_gone()
                && (node.administrative != Administrative::Active || node.health.latched)
        });
        let uncordon = |node_id| {
            let reason = REASON.to_owned();
            Kind::UncordonNode(UncordonNode { node_id, reason, ..UncordonNode::default() })
        };
        self.propose_each(ids, uncordon).await
    }

    fn fail(&self, choice: &Choice, failure: &Failure) -> String {
        let well =
            |node: &Node| takes_part(node) && self.agents.is_well(node.id.as_str()) == Some(true);
        let ids = self.choose(choice, well);
        let now_ms = self.ledger.clock().wall_ms();
        let fleet = self.fleet();
        for id in &ids {
            self.agents.fail(id, failure, now_ms);
            if *failure == Failure::Vanish
                && let Some(node) = fleet.node(id)
                && let Some(cloud) = self.clouds.get(&*node.provider)
            {
                cloud.vanish(id);
            }
        }
        ids.join(", ")
    }

    fn revive(&self, choice: &Choice) -> String {
        let ill = |node: &Node| self.agents.is_well(node.id.as_str()) == Some(false);
        let ids = self.choose(choice, ill);
        let now_ms = self.ledger.clock().wall_ms();
        ids.iter().for_each(|id| self.agents.revive(id, now_ms));
        ids.join(", ")
    }

    fn set_drought(&self, drought: &Drought, dry: bool) -> Result<String, String> {
        let Drought { provider, instance_type } = drought;
        let cloud = self.clouds.get(provider).ok_or("there is no such provider")?;
        cloud.set_drought(instance_type.as_deref(), dry);
        Ok(String::new())
    }

    /// Draws nodes of a pool among those that pass.
    fn choose(&self, choice: &Choice, passes: impl Fn(&Node) -> bool) -> Vec<String> {
        let fleet = self.fleet();
        let nodes = fleet.nodes_in_pool(&choice.pool).filter(|node| passes(node));
        let ids = nodes.map(|node: &Arc<Node>| node.id.as_str().to_owned()).collect();
        draw(&self.chance, ids, choice)
    }

    async fn propose_each(
        &self,
        ids: Vec<String>,
        kind: impl Fn(String) -> Kind,
    ) -> Result<String, String> {
        for id in &ids {
            self.propose(kind(id.clone())).await.map_err(in_words)?;
        }
        Ok(ids.join(", "))
    }
}

/// Draws as many of `there` as a choice wants; the same for the same seed and the same nodes.
pub(super) fn draw(chance: &Chance, mut there: Vec<String>, choice: &Choice) -> Vec<String> {
    let wanted = choice.count.of(there.len());
    let mut drawn: Vec<_> =
        (0..wanted).map(|_| there.swap_remove(chance.below(there.len()))).collect();
    drawn.sort_unstable();
    drawn
}

/// Whether the node's machine does the pool's work.
fn takes_part(node: &Node) -> bool {
    let at_work = match node.administrative {
        Administrative::Active | Administrative::Cordoned => true,
        Administrative::Draining(_) | Administrative::Terminated => false,
    };
    at_work && !node.is_lost()
}

fn in_words(error: ProposeError) -> String {
    error.to_string()
}
