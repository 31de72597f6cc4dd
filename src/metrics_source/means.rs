use std::collections::HashMap;

use navarch_fleet::{Administrative, FleetState, LastSeen, Node};
use navarch_proto::{api::HealthStatus, fleet::PoolSpec};

use super::{Reading, Round};
use crate::liveness::{self, Beat, Liveness, UTILIZATION_UNKNOWN};

/// Where pools together have less than one in so many of all nodes, theirs are looked up one by one; else a walk over
/// all is faster, which takes a tenth as long for each.
const LOOK_UP_COSTS: usize = 10;

/// The mean GPU utilisation of some pools at one time, over the nodes that told theirs lately, as old as the oldest of
/// those beats. Machines of others say nothing of ours, and what was heard too long ago nothing about now.
#[derive(Debug, Default)]
pub(super) struct Means {
    now_ms: u64,
    by_pool: HashMap<String, Mean>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: u64,
    count: u32,
    oldest_ms: u64,
}

/// Whether a node counts: people want it at work, and it is heard and not unhealthy.
pub fn in_service(node: &Node) -> bool {
    let wanted = match node.administrative {
        Administrative::Active | Administrative::Cordoned => true,
        Administrative::Draining(_) | Administrative::Terminated => false,
    };
    wanted && !node.is_lost() && node.health_status() != HealthStatus::Unhealthy
}

impl Means {
    /// Of the pools of a pass. `heard` is what the leader has heard itself.
    pub(super) fn of(round: Round<'_>, heard: Option<&Liveness>) -> Self {
        let Round { fleet, pools, now_ms } = round;
        let mean = Mean { oldest_ms: now_ms, ..Mean::default() };
        let mut means: HashMap<&str, Mean> =
            pools.iter().map(|pool| (pool.name.as_str(), mean)).collect();
        let theirs: usize = means.keys().map(|name| fleet.node_count_in_pool(name)).sum();
        if theirs.saturating_mul(LOOK_UP_COSTS) < fleet.node_count() {
            let of = |node: &Node| heard.map(|all| all.of(node.number)).unwrap_or_default();
            for (name, mean) in &mut means {
                for node in fleet.nodes_in_pool(name) {
                    mean.take(fleet, node, of(node), now_ms);
                }
            }
        } else {
            let beats = heard.map(Liveness::beats).unwrap_or_default();
            for node in fleet.nodes() {
                let Some(pool) = &node.pool else { continue };
                let Some(mean) = means.get_mut(pool.as_str()) else { continue };
                let beat = beats.get(node.number.0 as usize).copied().unwrap_or_default();
                mean.take(fleet, node, beat, now_ms);
            }
        }
        let by_pool = means.into_iter().map(|(name, mean)| (name.to_owned(), mean)).collect();
        Self { now_ms, by_pool }
    }

    /// Whether they are of that pool and time.
    pub(super) fn include(&self, pool: &PoolSpec, now_ms: u64) -> bool {
        self.now_ms == now_ms && self.by_pool.contains_key(&pool.name)
    }

    /// That of one pool; none: no node of it told any lately.
    pub(super) fn get(&self, pool: &PoolSpec) -> Option<Reading<f64>> {
        let mean = self.by_pool.get(&pool.name).filter(|mean| mean.count > 0)?;
        #[allow(clippy::cast_precision_loss, reason = "a sum of percentages is far below 2^53")]
        let value = mean.sum as f64 / f64::from(mean.count);
        Some(Reading { value, at_ms: mean.oldest_ms })
    }
}

impl Mean {
    fn take(&mut self, fleet: &FleetState, node: &Node, beat: Beat, now_ms: u64) {
        if node.instance_id.is_none() || !in_service(node) {
            return;
        }
        let Some((at_ms, percent)) = last_beat(fleet, node, beat, now_ms) else { return };
        self.sum += u64::from(percent);
        self.count += 1;
        self.oldest_ms = self.oldest_ms.min(at_ms);
    }
}

/// When a node last told its utilisation, and how much, if that was lately. What the session has not heard yet the log
/// may know, so that a new leader does not start blind.
fn last_beat(fleet: &FleetState, node: &Node, beat: Beat, now_ms: u64) -> Option<(u64, u8)> {
    let (at_ms, percent) = if beat.seen_ms == 0 {
        let LastSeen { at, utilization } = fleet.last_seen(node.number)?;
        (at.as_ms(), utilization?)
    } else {
        (beat.seen_ms, beat.utilization)
    };
    let fresh_ms = liveness::timeout_ms(fleet.settings(), beat.told_interval_ms);
    let is_fresh = at_ms.saturating_add(fresh_ms) >= now_ms;
    (is_fresh && percent != UTILIZATION_UNKNOWN).then_some((at_ms, percent))
}
