use std::time::Duration;

use async_trait::async_trait;
use navarch_fleet::{
    Administrative, FleetState, Instance, InstanceState, Node,
};
use navarch_proto::{
    api::FleetEvent,
    fleet::{DrainNode, FailInstance, FailureKind, PoolSpec, proposal::Kind},
};

use super::DRAIN_DEADLINE_MS;
use crate::leader::{Controller, Report, Tenure};

const NAME: &str = "replacer";
/// A node with an unhealthy event verdict is replaced after this long, however few reports it sends: 10 min.
const EVENT_PATIENCE_MS: u64 = 600_000;

/// Replaces lost and unhealthy machines of pools with `auto_replace`, one a pool at a time: the old one is
/// failed, which lets the pool's size fall below its target, and the provisioner buys another.
pub(super) struct Replacer;

/// A machine that should be replaced, and why.
struct Case<'a> {
    instance: &'a Instance,
    node: &'a Node,
    kind: FailureKind,
    reason: String,
}

fn plan(fleet: &FleetState, now_ms: u64) -> Vec<Kind> {
    let specs = fleet.spec().map_or(&[][..], |spec| &spec.pools);
    specs
        .iter()
        .filter(|spec| spec.auto_replace && !is_replacing(fleet, spec))
        .filter_map(|spec| step(first_case(fleet, spec, now_ms)?, now_ms))
        .collect()
}

/// A replacement is under way until the old machine is gone and the pool is back at its target.
fn is_replacing(fleet: &FleetState, spec: &PoolSpec) -> bool {
    let counts = fleet.pool_counts(&spec.name);
    let target = fleet.pool(&spec.name).map_or(0, |pool| pool.target);
    counts.terminating + counts.failed_with_machine > 0
        || counts.provisioning + counts.pending_registration > 0
        || counts.size() < target
}

/// The machine to replace now: one whose drain has begun, else a lost one, else an unhealthy one.
fn first_case<'a>(fleet: &'a FleetState, spec: &PoolSpec, now_ms: u64) -> Option<Case<'a>> {
    let cases = fleet.instances_in_pool(&spec.name).filter_map(|instance| {
        let running = instance.state == InstanceState::Running;
        let node = fleet.node(instance.node_id.as_ref().filter(|_| running)?.as_str())?;
        case(spec, instance, node, now_ms)
    });
    cases.min_by_key(|case| match (case.node.administrative, case.kind) {
        (Administrative::Draining(_), _) => 0,
        (_, FailureKind::NodeLost) => 1,
        _ => 2,
    })
}

fn case<'a>(
    spec: &PoolSpec,
    instance: &'a Instance,
    node: &'a Node,
    now_ms: u64,
) -> Option<Case<'a>> {
    let case = |kind, reason| Some(Case { instance, node, kind, reason });
    if node.is_lost() {
        return case(FailureKind::NodeLost, format!("node {} is lost", node.id));
    }
    let health = &node.health;
    let often_enough = health.unhealthy_reports >= spec.unhealthy_after.max(1);
    let long_enough = health
        .unhealthy_event_at
        .is_some_and(|since| since.plus_ms(EVENT_PATIENCE_MS).as_ms() <= now_ms);
    if health.latched && (often_enough || long_enough) {
        let reason = format!("node {} is unhealthy: {}", node.id, health.reason);
        return case(FailureKind::NodeUnhealthy, reason);
    }
    None
}

/// Drains a machine that still answers; fails it once it is drained, or lost.
fn step(case: Case<'_>, now_ms: u64) -> Option<Kind> {
    let Case { instance, node, kind, reason } = case;
    let fail = FailInstance {
        instance_id: instance.id.as_str().to_owned(),
        kind: kind.into(),
        reason: reason.clone(),
        instance_revision: instance.revision.0,
    };
    if kind == FailureKind::NodeLost {
        return Some(Kind::FailInstance(fail));
    }
    match node.administrative {
        Administrative::Draining(drain) if !drain.drained => None,
        Administrative::Draining(_) | Administrative::Terminated => Some(Kind::FailInstance(fail)),
        Administrative::Active | Administrative::Cordoned => Some(Kind::DrainNode(DrainNode {
            node_id: node.id.as_str().to_owned(),
            reason,
            deadline_ms: now_ms.saturating_add(DRAIN_DEADLINE_MS),
            ..DrainNode::default()
        })),
    }
}

#[async_trait]
impl Controller for Replacer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState) -> Duration {
        Duration::from_secs(5)
    }

    fn wakes_on(&self, event: &FleetEvent) -> bool {
        matches!(
            event.kind.as_str(),
            "node-lost" | "node-health-changed" | "node-drained" | "instance-terminated"
                | "instance-running"
        )
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        for step in plan(&tenure.view().fleet, tenure.now_ms()) {
            report.count(tenure.propose(NAME, step).await.map(drop));
        }
        report
    }
}
