use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{Administrative, Drain, FleetState, Instance, InstanceState, LogTime, Node};
use navarch_proto::fleet::{
    DrainNode, RefuseDrain, TerminateInstance, UncordonNode, proposal::Kind,
};

use super::{DRAIN_DEADLINE_MS, refusals::Refusals, replacer::case, shortage::surplus};
use crate::{
    leader::{Controller, Report, Tenure},
    liveness::Liveness,
};

const NAME: &str = "scale-down";

/// Gives back what a pool has too many of, which is all of it when the pool retires: drained first, terminated
/// afterwards.
pub(super) struct ScaleDown {
    liveness: Arc<Liveness>,
    refusals: Refusals,
}

/// Who goes first: what is on its way out already, then unhealthy, cordoned, least utilised, oldest.
type Rank = (u8, u8, LogTime);

impl ScaleDown {
    pub(super) fn new(liveness: Arc<Liveness>) -> Self {
        Self { liveness, refusals: Refusals::default() }
    }

    fn plan(&self, fleet: &FleetState, now_ms: u64) -> Vec<Kind> {
        let mut steps = Vec::new();
        for spec in fleet.spec().map_or(&[][..], |spec| &spec.pools) {
            if fleet.pool(&spec.name).is_none_or(|pool| pool.paused) {
                continue;
            }
            // An order without an answer may never become a machine: none that is there goes for it.
            let unanswered = fleet.pool_counts(&spec.name).provisioning;
            let surplus = surplus(fleet, spec).saturating_sub(unanswered) as usize;
            if surplus > 0 {
                let candidates = self.candidates(fleet, &spec.name, now_ms);
                let chosen = candidates.into_iter().take(surplus);
                steps.extend(chosen.filter_map(|instance| step(fleet, instance, now_ms)));
            }
        }
        steps.extend(wanted_again(fleet, now_ms));
        steps
    }

    /// What could be given back, first what should go first. An order without an answer may be a machine or
    /// not: it keeps its slot until that is known.
    fn candidates<'a>(
        &self,
        fleet: &'a FleetState,
        pool: &str,
        now_ms: u64,
    ) -> Vec<&'a Arc<Instance>> {
        let mut candidates: Vec<(Rank, &Arc<Instance>)> = fleet
            .instances_in_pool(pool)
            .filter(|one| match one.state {
                InstanceState::PendingRegistration | InstanceState::Running => true,
                InstanceState::Provisioning
                | InstanceState::Terminating
                | InstanceState::Terminated
                | InstanceState::Failed => false,
            })
            // It goes when its replacement runs.
            .filter(|one| !one.is_being_replaced() && !self.is_held(fleet, one, now_ms))
            .map(|one| (self.rank(fleet, one), one))
            .collect();
        candidates.sort_by(|(left, one), (right, other)| {
            left.cmp(right).then_with(|| one.id.cmp(&other.id))
        });
        candidates.into_iter().map(|(_, instance)| instance).collect()
    }

    /// Whether the workload system would not have it drained a while ago: another one goes.
    fn is_held(&self, fleet: &FleetState, instance: &Instance, now_ms: u64) -> bool {
        let node = fleet.node_of_instance(instance.id.as_str());
        node.is_some_and(|node| match node.administrative {
            Administrative::Active | Administrative::Cordoned => {
                self.refusals.hold(node.id.as_str(), now_ms)
            }
            Administrative::Draining(_) | Administrative::Terminated => false,
        })
    }

    fn rank(&self, fleet: &FleetState, instance: &Instance) -> Rank {
        let Some(node) = fleet.node_of_instance(instance.id.as_str()) else {
            // Nobody works on a machine that has not registered.
            return (1, 0, instance.created_at);
        };
        let condition = match node.administrative {
            Administrative::Draining(_) | Administrative::Terminated => 0,
            Administrative::Active | Administrative::Cordoned
                if node.health.latched || node.is_lost() =>
            {
                1
            }
            Administrative::Cordoned => 2,
            Administrative::Active => 3,
        };
        let seen = self.liveness.last_seen(fleet, node.number);
        let utilization = seen.and_then(|seen| seen.utilization).unwrap_or_default();
        (condition, utilization, instance.created_at)
    }
}

fn reason(pool: &str) -> String {
    format!("pool {pool} is above its target")
}

fn removal(pool: &str) -> String {
    format!("pool {pool} is being removed")
}

/// The next step towards giving an instance back; none while its drain goes on.
fn step(fleet: &FleetState, instance: &Instance, now_ms: u64) -> Option<Kind> {
    let pool = instance.pool.as_str();
    let reason = if fleet.is_retiring(pool) { removal(pool) } else { reason(pool) };
    let terminate = |reason| {
        Kind::TerminateInstance(TerminateInstance {
            instance_id: instance.id.as_str().to_owned(),
            reason,
            instance_revision: instance.revision.0,
        })
    };
    let Some(node) = fleet.node_of_instance(instance.id.as_str()) else {
        return Some(terminate(reason));
    };
    match node.administrative {
        Administrative::Draining(Drain { drained: true, .. }) | Administrative::Terminated => {
            Some(terminate(reason))
        }
        Administrative::Draining(Drain { drained: false, .. }) => None,
        Administrative::Active | Administrative::Cordoned => Some(Kind::DrainNode(DrainNode {
            node_id: node.id.as_str().to_owned(),
            reason,
            deadline_ms: now_ms.saturating_add(DRAIN_DEADLINE_MS),
            ..DrainNode::default()
        })),
    }
}

/// Ends drains that this controller began, where the pool wants the machine after all: its target has been
/// raised again, or another machine has gone meanwhile. One that is to be replaced goes on.
fn wanted_again(fleet: &FleetState, now_ms: u64) -> Vec<Kind> {
    let spared = |node: &Arc<Node>| {
        let Administrative::Draining(drain) = node.administrative else { return None };
        let instance = fleet.instance(node.instance_id.as_ref()?.as_str())?;
        let pool = fleet.pool(instance.pool.as_str())?;
        // The drainer keeps the reason when it ends a drain.
        let ours = [reason, removal]
            .iter()
            .any(|words| node.administrative_reason.starts_with(&words(instance.pool.as_str())));
        let stays = instance.state == InstanceState::Running && case(fleet, node, now_ms).is_none();
        let surplus = fleet.pool_counts(instance.pool.as_str()).size() > pool.target;
        if ours && stays && !surplus { spare(node, drain) } else { None }
    };
    fleet.nodes_wanting_attention().filter_map(spared).collect()
}

/// Whoever was cordoned before is cordoned again; there a drain that has ended stays as it is. An unhealthy verdict stays: to
/// clear one is an operator's.
fn spare(node: &Node, drain: Drain) -> Option<Kind> {
    let reason = "the pool is at its target again".to_owned();
    let node_id = node.id.as_str().to_owned();
    let node_revision = node.revision.0;
    match drain {
        Drain { drained: false, .. } => {
            Some(Kind::RefuseDrain(RefuseDrain { node_id, reason, node_revision }))
        }
        Drain { cordoned_before: false, .. } => {
            let keep_verdict = true;
            let uncordon =
                UncordonNode { node_id, reason, keep_verdict, ..UncordonNode::default() };
            Some(Kind::UncordonNode(uncordon))
        }
        Drain { .. } => None,
    }
}

#[async_trait]
impl Controller for ScaleDown {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState, _: u64) -> Duration {
        Duration::from_secs(5)
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &[
            "pool-changed",
            "pool-retiring",
            "pool-scaled",
            "pool-decided",
            "pool-resumed",
            "node-drained",
            "instance-running",
            "instance-bought",
        ]
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let fleet = tenure.view().fleet;
        self.refusals.read(&fleet);
        let steps = self.plan(&fleet, tenure.now_ms());
        let _ = tenure.carry_out(steps, &mut report).await;
        report
    }
}

#[cfg(test)]
#[path = "scale_down_test.rs"]
mod tests;
