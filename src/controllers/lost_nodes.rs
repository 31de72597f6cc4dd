use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{Administrative, FleetState, Node};
use navarch_proto::fleet::{DeclareLost, proposal::Kind};

use crate::{
    leader::{Controller, Report, Tenure},
    ledger::ProposeError,
    liveness::{self, Liveness},
};

const NAME: &str = "lost-nodes";
/// How often the leader looks for silent nodes.
const PERIOD: Duration = Duration::from_secs(1);
/// More than this part of a group silent is taken for trouble of our own, in percent.
const MASS_SILENCE_PERCENT: usize = 55;
/// Up to this many silent nodes are never a mass.
const FEW: usize = 2;
/// At most this part of a pool (but at least one node) is declared lost a minute, in percent.
const LOSSES_PERCENT_A_MINUTE: usize = 10;
const MINUTE_MS: u64 = 60_000;
/// With nobody beating, a fleet of one or two waits this many time-outs.
const LONELY_TIMEOUTS: u64 = 10;

/// Declares silent nodes lost, but never a mass of them: that is our own trouble until proved otherwise.
pub(super) struct LostNodes {
    liveness: Arc<Liveness>,
    /// When nodes of a pool were declared lost in the last minute; dies with the session, whose grace is
    /// longer than what it would hold.
    declared_ms: BTreeMap<String, Vec<u64>>,
}

/// A node as the leader hears it.
struct Heard<'a> {
    node: &'a Arc<Node>,
    /// The latest of its last heartbeat, its registration and the opening of the session.
    heard_ms: u64,
    /// One and a half intervals without a beat.
    silent: bool,
    /// How long it may be silent before it is lost.
    timeout_ms: u64,
}

impl LostNodes {
    pub(super) fn new(liveness: Arc<Liveness>) -> Self {
        Self { liveness, declared_ms: BTreeMap::new() }
    }

    fn listen<'a>(&self, fleet: &'a FleetState, now_ms: u64) -> Vec<Heard<'a>> {
        let opened_ms = self.liveness.session_opened_ms();
        let settings = fleet.settings();
        let hear = |node: &'a Arc<Node>| {
            let last_seen_ms = self.liveness.last_seen_ms(fleet, node.number);
            let heard_ms = last_seen_ms.max(node.registered_at.as_ms()).max(opened_ms);
            let told_ms = self.liveness.of(node.number).told_interval_ms;
            let interval_ms = settings.heartbeat_interval_ms.max(told_ms.into());
            let silent = now_ms.saturating_sub(heard_ms) > interval_ms.saturating_mul(3) / 2;
            let timeout_ms = liveness::timeout_ms(settings, told_ms);
            Heard { node, heard_ms, silent, timeout_ms }
        };
        let present = |node: &&Arc<Node>| node.administrative != Administrative::Terminated;
        fleet.nodes().filter(present).map(hear).collect()
    }

    /// The nodes to declare lost now.
    fn plan(&mut self, fleet: &FleetState, now_ms: u64) -> Vec<DeclareLost> {
        let heard = self.listen(fleet, now_ms);
        let lonely = heard.iter().all(|one| one.silent || one.node.is_lost());
        if lonely && heard.len() > FEW {
            return Vec::new();
        }
        let patience = if lonely { LONELY_TIMEOUTS } else { 1 };
        let silence = Silence::of(&heard);
        let mut plan = Vec::new();
        for one in &heard {
            let silent_for_ms = now_ms.saturating_sub(one.heard_ms);
            let over = silent_for_ms > one.timeout_ms.saturating_mul(patience);
            if one.node.is_lost() || !over || silence.is_mass(one.node) {
                continue;
            }
            let pool = pool_of(one.node);
            if !self.may_declare(pool, silence.pool_size(pool), now_ms) {
                continue;
            }
            plan.push(DeclareLost {
                node_id: one.node.id.as_str().to_owned(),
                last_seen_ms: fleet.last_seen(one.node.number).map_or(0, |seen| seen.at.as_ms()),
                node_revision: one.node.revision.0,
                reason: format!(
                    "no heartbeat for {} s, its time-out is {} s",
                    silent_for_ms / 1_000,
                    one.timeout_ms / 1_000
                ),
            });
        }
        plan
    }

    /// Keeps losses of a pool below their rate, so that staggered time-outs cannot slip past the breaker.
    fn may_declare(&mut self, pool: &str, size: usize, now_ms: u64) -> bool {
        let limit = (size * LOSSES_PERCENT_A_MINUTE / 100).max(1);
        let declared = self.declared_ms.entry(pool.to_owned()).or_default();
        declared.retain(|&at_ms| now_ms.saturating_sub(at_ms) < MINUTE_MS);
        let may = declared.len() < limit;
        if may {
            declared.push(now_ms);
        }
        may
    }

    /// Declares a node lost, unless it has beaten since the plan was made.
    async fn declare(&self, tenure: &Tenure, lost: DeclareLost) -> Result<(), ProposeError> {
        let fleet = tenure.view().fleet;
        let Some(node) = fleet.node(&lost.node_id) else { return Ok(()) };
        let timeout_ms =
            liveness::timeout_ms(fleet.settings(), self.liveness.of(node.number).told_interval_ms);
        let seen_ms = self.liveness.last_seen_ms(&fleet, node.number);
        if seen_ms.saturating_add(timeout_ms) > tenure.now_ms() {
            return Ok(());
        }
        tenure.propose(NAME, Kind::DeclareLost(lost)).await.map(drop)
    }
}

#[async_trait]
impl Controller for LostNodes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState) -> Duration {
        PERIOD
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let fleet = tenure.view().fleet;
        for lost in self.plan(&fleet, tenure.now_ms()) {
            report.count(self.declare(tenure, lost).await);
        }
        report
    }
}

/// How many of each pool and of each zone are silent or lost.
#[derive(Default)]
struct Silence<'a> {
    pools: BTreeMap<&'a str, Share>,
    zones: BTreeMap<&'a str, Share>,
}

#[derive(Clone, Copy, Default)]
struct Share {
    silent: usize,
    all: usize,
}

impl Share {
    fn count(&mut self, silent: bool) {
        self.all += 1;
        self.silent += usize::from(silent);
    }

    fn is_mass(self) -> bool {
        self.silent > FEW && self.silent * 100 > self.all * MASS_SILENCE_PERCENT
    }
}

impl<'a> Silence<'a> {
    fn of(heard: &[Heard<'a>]) -> Self {
        let mut silence = Self::default();
        for one in heard {
            let silent = one.silent || one.node.is_lost();
            silence.pools.entry(pool_of(one.node)).or_default().count(silent);
            silence.zones.entry(&one.node.zone).or_default().count(silent);
        }
        silence
    }

    /// Whether so much of a node's pool or zone is silent that the trouble is likely ours.
    fn is_mass(&self, node: &Node) -> bool {
        let pool = self.pools.get(pool_of(node)).copied().unwrap_or_default();
        let zone = self.zones.get(&*node.zone).copied().unwrap_or_default();
        pool.is_mass() || zone.is_mass()
    }

    fn pool_size(&self, pool: &str) -> usize {
        self.pools.get(pool).map_or(0, |share| share.all)
    }
}

fn pool_of(node: &Node) -> &str {
    node.pool.as_ref().map_or("", |pool| pool.as_str())
}
