use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use navarch_fleet::{FleetState, Liveness as Heartbeat, LogTime, PoolName};
use navarch_proto::fleet::{DeclareLost, proposal::Kind};

use super::{
    absences::Absences,
    shares::Shares,
    silence::{Heard, Hearing},
};
use crate::{
    leader::{Controller, Report, Tenure},
    liveness::{self, Liveness},
};

const NAME: &str = "lost-nodes";
/// How often the leader looks for silent nodes.
const PERIOD: Duration = Duration::from_secs(1);
const MINUTE_MS: u64 = 60_000;
/// With nobody beating, a fleet of one or two waits this many time-outs.
const LONELY_TIMEOUTS: u64 = 10;

/// Declares silent nodes lost, but never a mass of them: that is our own trouble until proved otherwise.
pub(super) struct LostNodes {
    liveness: Arc<Liveness>,
    absences: Absences,
    /// When nodes of each pool were declared lost in the last minute, the earliest first; none before the
    /// first pass of a session, which begins with what the log tells.
    declared_ms: Option<BTreeMap<Option<PoolName>, VecDeque<u64>>>,
    /// What the last look at all nodes promises.
    quiet: Quiet,
}

/// Before `until_ms` of LogTime no node can be overdue, as long as the specification is of `spec_revision`: most
/// passes need not look at a single node.
#[derive(Default)]
struct Quiet {
    until_ms: u64,
    spec_revision: u64,
}

impl Quiet {
    /// What a look at `now_ms` promises. Whoever is heard later is due a whole time-out later at the earliest.
    fn after(hearing: &Hearing<'_>, fleet: &FleetState, now_ms: u64) -> Self {
        let anybody = now_ms.saturating_add(fleet.settings().heartbeat_timeout_ms);
        let known = hearing.nodes().filter(|one| !one.node.is_lost()).map(|one| one.due_ms(1));
        Self { until_ms: known.fold(anybody, u64::min), spec_revision: fleet.spec_revision() }
    }

    fn holds(&self, fleet: &FleetState, now_ms: u64) -> bool {
        now_ms < self.until_ms && fleet.spec_revision() == self.spec_revision
    }
}

impl LostNodes {
    pub(super) fn new(liveness: Arc<Liveness>, absences: Absences) -> Self {
        Self { liveness, absences, declared_ms: None, quiet: Quiet::default() }
    }

    /// The nodes to declare lost now.
    fn plan(&mut self, fleet: &FleetState, now_ms: u64) -> Vec<DeclareLost> {
        if self.quiet.holds(fleet, now_ms) {
            return Vec::new();
        }
        let liveness = Arc::clone(&self.liveness);
        let absences = self.absences.clone();
        let hearing = Hearing::new(fleet, (&liveness, &absences), now_ms);
        self.quiet = Quiet::after(&hearing, fleet, now_ms);
        if self.quiet.holds(fleet, now_ms) {
            return Vec::new();
        }
        let heard: Vec<_> = hearing.nodes().collect();
        let shares = Shares::of(fleet, &heard, now_ms);
        let now = LogTime::from_ms(now_ms);
        let timeouts = if shares.is_lonely() { LONELY_TIMEOUTS } else { 1 };
        let mut left: BTreeMap<Option<PoolName>, usize> = BTreeMap::new();
        let mut plan = Vec::new();
        for one in &heard {
            if one.node.is_lost() || one.due_ms(timeouts) > now_ms {
                continue;
            }
            // What is recorded outlives this leader; what is seen now may not be recorded yet.
            if shares.stops(one.node).is_some() || fleet.stopped_by(one.node, now).is_some() {
                continue;
            }
            let size = shares.pool_size(one.node);
            let left = left
                .entry(one.node.pool.clone())
                .or_insert_with_key(|pool| self.left(fleet, pool, size, now_ms));
            if let Some(rest) = left.checked_sub(1) {
                *left = rest;
                plan.push(declaration(fleet, one, now_ms));
            }
        }
        plan
    }

    /// How many more nodes of a pool of `size` may be declared lost in this minute: so few that staggered
    /// time-outs cannot slip past the breaker.
    fn left(
        &mut self,
        fleet: &FleetState,
        pool: &Option<PoolName>,
        size: usize,
        now_ms: u64,
    ) -> usize {
        let declared = self.declared_ms.get_or_insert_with(|| logged_losses(fleet));
        let percent = fleet.settings().losses_a_minute_percent as usize;
        let limit = (size * percent / 100).max(1);
        let Some(times) = declared.get_mut(pool) else { return limit };
        while times.front().is_some_and(|&at_ms| at_ms.saturating_add(MINUTE_MS) <= now_ms) {
            times.pop_front();
        }
        limit.saturating_sub(times.len())
    }

    /// Whether a node is still as silent as when the plan was made.
    fn still_silent(&self, fleet: &FleetState, lost: &DeclareLost, now_ms: u64) -> bool {
        let Some(node) = fleet.node(&lost.node_id) else { return false };
        let told_ms = self.liveness.of(node.number).told_interval_ms;
        let timeout_ms = liveness::timeout_ms(fleet.settings(), told_ms);
        let seen_ms = self.liveness.last_seen_ms(fleet, node.number);
        seen_ms.saturating_add(timeout_ms) <= now_ms
    }

    fn note(&mut self, fleet: &FleetState, node_id: &str, now_ms: u64) {
        let pool = fleet.node(node_id).and_then(|node| node.pool.clone());
        let declared = self.declared_ms.get_or_insert_default();
        declared.entry(pool).or_default().push_back(now_ms);
    }
}

/// The losses that the log knows of, so that a change of leader does not open the gate anew.
fn logged_losses(fleet: &FleetState) -> BTreeMap<Option<PoolName>, VecDeque<u64>> {
    let mut losses: BTreeMap<Option<PoolName>, VecDeque<u64>> = BTreeMap::new();
    for node in fleet.nodes_wanting_attention() {
        if let Heartbeat::Lost(loss) = &node.liveness {
            losses.entry(node.pool.clone()).or_default().push_back(loss.at.as_ms());
        }
    }
    for times in losses.values_mut() {
        times.make_contiguous().sort_unstable();
    }
    losses
}

fn declaration(fleet: &FleetState, one: &Heard<'_>, now_ms: u64) -> DeclareLost {
    DeclareLost {
        node_id: one.node.id.as_str().to_owned(),
        last_seen_ms: fleet.last_seen(one.node.number).map_or(0, |seen| seen.at.as_ms()),
        node_revision: one.node.revision.0,
        reason: format!(
            "no heartbeat for {} s, its time-out is {} s",
            one.silent_for_ms(now_ms) / 1_000,
            one.timeout_ms / 1_000
        ),
    }
}

#[async_trait]
impl Controller for LostNodes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState, _: u64) -> Duration {
        PERIOD
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let fleet = tenure.view().fleet;
        for lost in self.plan(&fleet, tenure.now_ms()) {
            // The memory is read again right before each proposal: a beat may have come meanwhile.
            let now_ms = tenure.now_ms();
            if !self.still_silent(&tenure.view().fleet, &lost, now_ms) {
                continue;
            }
            let node_id = lost.node_id.clone();
            let steps = report.steps;
            let next = report.proposed(tenure.propose(Kind::DeclareLost(lost)).await);
            if report.steps > steps {
                self.note(&fleet, &node_id, now_ms);
            }
            if next.is_break() {
                break;
            }
        }
        report
    }
}

#[cfg(test)]
#[path = "lost_nodes_test.rs"]
mod tests;
