use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{Administrative, Drain, FleetState, Instance, InstanceState, LogTime, Node};
use navarch_proto::fleet::{DrainNode, FailInstance, FailureKind, PoolSpec, proposal::Kind};

use super::{
    BUSY_PERIOD, DRAIN_DEADLINE_MS, IDLE_PERIOD, Providers,
    absences::Absences,
    refusals::Refusals,
    replacement::Round,
    shortage::{self, Market},
    stops::Stops,
};
use crate::{
    leader::{Controller, Report, Tenure},
    liveness::Liveness,
};

const NAME: &str = "replacer";
/// A node with an unhealthy event verdict is replaced after this long, however few reports it sends: 10 min.
const EVENT_PATIENCE_MS: u64 = 600_000;

/// Replaces lost and unhealthy machines of pools with `auto_replace`. Where the maximum leaves room the new one is
/// bought first, and the old one is drained and failed once the new one runs; else the old one goes first, which lets
/// the pool's size fall below its target, and the provisioner buys another.
pub(super) struct Replacer {
    providers: Arc<Providers>,
    refusals: Refusals,
    liveness: Arc<Liveness>,
    absences: Absences,
}

impl Replacer {
    pub(super) fn new(providers: Arc<Providers>, liveness: Arc<Liveness>) -> Self {
        let (refusals, absences) = (Refusals::default(), Absences::default());
        Self { providers, refusals, liveness, absences }
    }

    /// The same, which knows of machines that listings lack.
    pub(super) fn aware_of(self, absences: Absences) -> Self {
        Self { absences, ..self }
    }

    pub(super) fn plan(
        &self,
        fleet: &FleetState,
        now_ms: u64,
        new_id: impl FnMut() -> String,
    ) -> Vec<Kind> {
        let now = LogTime::from_ms(now_ms);
        let market = Market { fleet, providers: &self.providers, now };
        let mut cases: BTreeMap<&str, Vec<Case<'_>>> = BTreeMap::new();
        // Whoever is lost or unhealthy wants attention, so that a healthy fleet is never walked.
        for node in fleet.nodes_wanting_attention() {
            if let Some(case) = case(fleet, node, now_ms)
                && !case.is_held(&self.refusals, now_ms)
            {
                cases.entry(case.instance.pool.as_str()).or_default().push(case);
            }
        }
        let stops = Stops::new(fleet, (&self.liveness, &self.absences), now_ms);
        let mut round = Round { market: &market, stops: &stops, now_ms, new_id, steps: Vec::new() };
        for spec in fleet.spec().map_or(&[][..], |spec| &spec.pools) {
            round.pool(spec, cases.remove(spec.name.as_str()).unwrap_or_default());
        }
        // One whose successor runs already waits for the workload system, too.
        round.steps.retain(|step| !self.refusals.forbid(step, now_ms));
        round.steps
    }
}

/// A machine that should be replaced, and why.
pub(super) struct Case<'a> {
    pub(super) instance: &'a Instance,
    pub(super) node: &'a Node,
    kind: FailureKind,
    pub(super) reason: String,
}

/// Whether the machine that `node` runs on should be replaced. A standalone node is somebody else's, and a pool that
/// retires gives its machines back.
pub(super) fn case<'a>(fleet: &'a FleetState, node: &'a Node, now_ms: u64) -> Option<Case<'a>> {
    let instance = fleet.instance(node.instance_id.as_ref()?.as_str())?;
    if instance.state != InstanceState::Running || instance.node_id.as_ref() != Some(&node.id) {
        return None;
    }
    let spec = fleet.pool_spec(instance.pool.as_str());
    let spec = spec.filter(|spec| spec.auto_replace && !spec.retiring)?;
    let case = |kind, reason| Some(Case { instance, node, kind, reason });
    if node.is_lost() {
        return case(FailureKind::NodeLost, format!("node {} is lost", node.id));
    }
    if is_unhealthy(spec, (node, instance), now_ms) {
        let reason = node.replacement_reason().to_string();
        return case(FailureKind::NodeUnhealthy, reason);
    }
    None
}

/// Unhealthy often enough, or for long enough after a verdict on an event, which is sent once; or its replacement has begun: a
/// good report in between does not lift the verdict, and would leave a drained machine that nobody takes back or ends, or
/// give back what was bought in its place, to buy it again after the next bad reports.
fn is_unhealthy(spec: &PoolSpec, (node, instance): (&Node, &Instance), now_ms: u64) -> bool {
    let health = &node.health;
    let often = health.unhealthy_reports >= spec.unhealthy_after.max(1);
    let since = health.unhealthy_event_at;
    let long = since.is_some_and(|at| at.plus_ms(EVENT_PATIENCE_MS).as_ms() <= now_ms);
    let leaves =
        matches!(node.administrative, Administrative::Draining(Drain { for_verdict: true, .. }));
    health.latched && (often || long || leaves || instance.is_being_replaced())
}

impl Case<'_> {
    /// Whether the workload system would not have it drained a while ago: the next one of its pool goes.
    fn is_held(&self, refusals: &Refusals, now_ms: u64) -> bool {
        let begun = self.is_lost() || self.instance.is_being_replaced();
        match self.node.administrative {
            Administrative::Draining(_) | Administrative::Terminated => false,
            Administrative::Active | Administrative::Cordoned => {
                !begun && refusals.hold(self.node.id.as_str(), now_ms)
            }
        }
    }

    /// Whether nobody works on it any more.
    pub(super) fn is_lost(&self) -> bool {
        self.kind == FailureKind::NodeLost
    }

    /// The least goes first: nobody works on a lost machine, and a drain that has begun is brought to its end.
    pub(super) fn urgency(&self) -> (u8, navarch_fleet::LogTime) {
        let rank = match (self.kind, self.node.administrative) {
            (FailureKind::NodeLost, _) => 0,
            (_, Administrative::Draining(_)) => 1,
            _ => 2,
        };
        (rank, self.instance.created_at)
    }
}

/// Drains a machine that still answers; fails it once it is drained, or lost.
pub(super) fn retire(case: &Case<'_>, now_ms: u64) -> Option<Kind> {
    let Case { instance, node, kind, reason } = case;
    let drained = match node.administrative {
        Administrative::Draining(Drain { drained, .. }) => drained,
        Administrative::Terminated => true,
        Administrative::Active | Administrative::Cordoned if *kind != FailureKind::NodeLost => {
            return Some(Kind::DrainNode(DrainNode {
                node_id: node.id.as_str().to_owned(),
                reason: reason.clone(),
                deadline_ms: now_ms.saturating_add(DRAIN_DEADLINE_MS),
                for_verdict: true,
                ..DrainNode::default()
            }));
        }
        Administrative::Active | Administrative::Cordoned => false,
    };
    (drained || *kind == FailureKind::NodeLost).then(|| {
        Kind::FailInstance(FailInstance {
            instance_id: instance.id.as_str().to_owned(),
            kind: (*kind).into(),
            reason: reason.clone(),
            instance_revision: instance.revision.0,
        })
    })
}

#[async_trait]
impl Controller for Replacer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState, _: u64) -> Duration {
        let suffers = |node: &Arc<Node>| !node.is_gone() && (node.health.latched || node.is_lost());
        // A node that is well again wants no attention; its replacement has to be called off all the same.
        let replaces = fleet.pools().any(|pool| {
            fleet.pool_counts(pool.name.as_str()).being_replaced > 0
                || !pool.replacement_held.is_empty()
        });
        let waits = replaces || fleet.nodes_wanting_attention().any(suffers);
        if waits { BUSY_PERIOD } else { IDLE_PERIOD }
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &[
            "node-lost",
            "node-health-changed",
            "node-drained",
            "node-found",
            "node-uncordoned",
            "breaker-closed",
            "breaker-overridden",
            "breaker-reset",
            "instance-terminated",
            "instance-running",
        ]
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let clock = tenure.ledger().clock();
        let new_id = || shortage::new_instance_id(clock.wall_ms(), self.providers.chance());
        let fleet = tenure.view().fleet;
        self.refusals.read(&fleet);
        let steps = self.plan(&fleet, tenure.now_ms(), new_id);
        let _ = tenure.carry_out(steps, &mut report).await;
        report
    }
}

#[cfg(test)]
#[path = "replacer_test.rs"]
mod tests;
