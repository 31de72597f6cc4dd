use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{
    Administrative, FleetState, Instance, InstanceState, LogTime, Node,
};
use navarch_proto::{
    api::FleetEvent,
    fleet::{DrainNode, TerminateInstance, proposal::Kind},
};

use super::DRAIN_DEADLINE_MS;
use crate::{
    leader::{Controller, Report, Tenure},
    liveness::{Liveness, UTILIZATION_UNKNOWN},
};

const NAME: &str = "scale-down";

/// Gives back what a pool has too many of: drained first, terminated afterwards.
pub(super) struct ScaleDown {
    liveness: Arc<Liveness>,
}

/// Who goes first: what is on its way out already, then unhealthy, cordoned, least utilised, oldest.
type Rank = (u8, u8, LogTime);

impl ScaleDown {
    pub(super) fn new(liveness: Arc<Liveness>) -> Self {
        Self { liveness }
    }

    fn plan(&self, fleet: &FleetState, now_ms: u64) -> Vec<Kind> {
        let specs = fleet.spec().map_or(&[][..], |spec| &spec.pools);
        specs.iter().flat_map(|spec| self.plan_pool(fleet, &spec.name, now_ms)).collect()
    }

    fn plan_pool(&self, fleet: &FleetState, pool: &str, now_ms: u64) -> Vec<Kind> {
        let target = fleet.pool(pool).map_or(0, |pool| pool.target);
        let surplus = fleet.pool_counts(pool).size().saturating_sub(target);
        if surplus == 0 {
            return Vec::new();
        }
        // An order without an answer may be a machine or not: it keeps its slot until that is known.
        let mut candidates: Vec<(Rank, &Arc<Instance>)> = fleet
            .instances_in_pool(pool)
            .filter(|one| match one.state {
                InstanceState::PendingRegistration | InstanceState::Running => true,
                InstanceState::Provisioning
                | InstanceState::Terminating
                | InstanceState::Terminated
                | InstanceState::Failed => false,
            })
            .map(|one| (self.rank(fleet, one), one))
            .collect();
        candidates.sort_by(|(left, one), (right, other)| {
            left.cmp(right).then_with(|| one.id.cmp(&other.id))
        });
        let chosen = candidates.into_iter().take(surplus as usize);
        chosen.filter_map(|(_, instance)| step(fleet, instance, now_ms)).collect()
    }

    fn rank(&self, fleet: &FleetState, instance: &Instance) -> Rank {
        let Some(node) = node_of(fleet, instance) else {
            // Nobody works on a machine that has not registered.
            return (1, 0, instance.created_at);
        };
        let condition = match node.administrative {
            Administrative::Draining(_) | Administrative::Terminated => 0,
            _ if node.health.latched || node.is_lost() => 1,
            Administrative::Cordoned => 2,
            Administrative::Active => 3,
        };
        let utilization = match self.liveness.of(node.number).utilization {
            UTILIZATION_UNKNOWN => 0,
            percent => percent,
        };
        (condition, utilization, instance.created_at)
    }
}

fn node_of<'a>(fleet: &'a FleetState, instance: &Instance) -> Option<&'a Arc<Node>> {
    fleet.node(instance.node_id.as_ref()?.as_str())
}

/// The next step towards giving an instance back; none while its drain goes on.
fn step(fleet: &FleetState, instance: &Instance, now_ms: u64) -> Option<Kind> {
    let reason = format!("pool {} is above its target", instance.pool);
    let terminate = |reason| {
        Kind::TerminateInstance(TerminateInstance {
            instance_id: instance.id.as_str().to_owned(),
            reason,
            instance_revision: instance.revision.0,
        })
    };
    let Some(node) = node_of(fleet, instance) else { return Some(terminate(reason)) };
    match node.administrative {
        Administrative::Draining(drain) if drain.drained => Some(terminate(reason)),
        Administrative::Draining(_) => None,
        Administrative::Terminated => Some(terminate(reason)),
        Administrative::Active | Administrative::Cordoned => Some(Kind::DrainNode(DrainNode {
            node_id: node.id.as_str().to_owned(),
            reason,
            deadline_ms: now_ms.saturating_add(DRAIN_DEADLINE_MS),
            ..DrainNode::default()
        })),
    }
}

#[async_trait]
impl Controller for ScaleDown {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState) -> Duration {
        Duration::from_secs(5)
    }

    fn wakes_on(&self, event: &FleetEvent) -> bool {
        matches!(
            event.kind.as_str(),
            "pool-changed" | "pool-scaled" | "pool-decided" | "node-drained" | "instance-running"
        )
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        for step in self.plan(&tenure.view().fleet, tenure.now_ms()) {
            report.count(tenure.propose(NAME, step).await.map(drop));
        }
        report
    }
}
