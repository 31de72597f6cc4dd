//! What pools lack, as orders to log; pure but for the ids.

use std::collections::BTreeSet;

use navarch_fleet::{FleetState, PoolCounts};
use navarch_host::{
    Chance,
    planted::{self, Bug},
};
use navarch_proto::fleet::{HoldPool, PoolSpec, proposal::Kind};
use uuid::Builder;

pub(super) use super::orders::{Market, Turn};

/// Orders that one pass logs at most; the next pass goes on.
const ORDERS_PER_PASS: usize = 256;

/// Bytes of a reason at most; below what a record holds.
const LONGEST_REASON: usize = 500;

/// Why nothing is done for a pool that an operator froze.
pub(super) const PAUSED: &str = "an operator paused the pool";

/// Why a pool that has as many machines as it may is not bought for yet.
const FULL: &str = "as many machines as max_nodes allows are not known to be gone";

/// The orders of every pool whose size is below its target, as far as its maximum leaves room, and for each
/// pool why nothing is bought for it, or that this no longer holds. Size counts what is booting and what is
/// merely ordered, so that nothing is bought twice while machines boot.
pub(super) fn plan(market: &Market<'_>, mut new_id: impl FnMut() -> String) -> Vec<Kind> {
    let Some(spec) = market.fleet.spec() else { return Vec::new() };
    let short = spec.pools.iter().filter(|pool| missing(market.fleet, pool) > 0).count();
    // A large pool must not keep the others waiting.
    let share = (ORDERS_PER_PASS / short.max(1)).max(1);
    let plan_pool = |pool| {
        let (mut steps, held) = orders(market, pool, share, &mut new_id);
        steps.extend(hold(market.fleet, pool, held));
        steps
    };
    spec.pools.iter().flat_map(plan_pool).collect()
}

/// Providers that the choice of pools below their targets goes by what they offer.
pub(super) fn offers_wanted(fleet: &FleetState) -> BTreeSet<&str> {
    let specs = fleet.spec().map_or(&[][..], |spec| &spec.pools);
    let by_offer = |pool: &&PoolSpec| {
        matches!(pool.strategy.as_str(), "cost" | "availability") && missing(fleet, pool) > 0
    };
    let pools = specs.iter().filter(by_offer);
    pools.flat_map(|pool| pool.providers.iter().map(|entry| entry.name.as_str())).collect()
}

/// Whether any pool is below its target.
pub(super) fn is_any(fleet: &FleetState) -> bool {
    fleet.spec().is_some_and(|spec| spec.pools.iter().any(|pool| missing(fleet, pool) > 0))
}

/// How many machines a pool lacks.
fn missing(fleet: &FleetState, spec: &PoolSpec) -> u32 {
    let target = fleet.pool(&spec.name).map_or(0, |pool| pool.target);
    let counts = fleet.pool_counts(&spec.name);
    let size = if planted::is(Bug::CountOnlyRegistered) { counts.running } else { counts.size() };
    target.saturating_sub(size)
}

/// The other side: how many machines a pool has above its target, one that is being replaced and its replacement counted once.
pub(super) fn surplus(fleet: &FleetState, spec: &PoolSpec) -> u32 {
    let target = fleet.pool(&spec.name).map_or(0, |pool| pool.target);
    fleet.pool_counts(&spec.name).size().saturating_sub(target)
}

/// How many machines may be bought without taking the occupancy above the maximum.
fn room(counts: PoolCounts, spec: &PoolSpec) -> u32 {
    spec.max_nodes.saturating_sub(counts.occupancy())
}

/// At most `limit` orders, and why there are not as many as the pool lacks; empty: nothing holds it.
fn orders(
    market: &Market<'_>,
    pool: &PoolSpec,
    limit: usize,
    new_id: &mut impl FnMut() -> String,
) -> (Vec<Kind>, String) {
    let missing = missing(market.fleet, pool);
    if missing > 0 && market.fleet.pool(&pool.name).is_some_and(|pool| pool.paused) {
        return (Vec::new(), PAUSED.to_owned());
    }
    let room = room(market.fleet.pool_counts(&pool.name), pool);
    let held = if room < missing { FULL.to_owned() } else { String::new() };
    let mut orders = Vec::new();
    let count = (missing.min(room) as usize).min(limit);
    if count == 0 {
        return (orders, held);
    }
    let mut turn = Turn::first(market.fleet, pool, market.now);
    for _ in 0..count {
        match market.order(pool, &new_id(), &mut turn) {
            Ok(order) => orders.push(Kind::RequestInstance(order)),
            Err(reason) => return (orders, reason),
        }
    }
    (orders, held)
}

/// Notes why nothing is bought for a pool, once a reason, and that it is bought for again.
fn hold(fleet: &FleetState, pool: &PoolSpec, reason: String) -> Option<Kind> {
    let reason = as_noted(reason);
    let noted = &fleet.pool(&pool.name)?.held_reason;
    (**noted != *reason).then(|| Kind::HoldPool(HoldPool { pool: pool.name.clone(), reason }))
}

/// A reason as a pool's record takes it. Uncut it would differ from what is noted for ever, and be proposed at each pass.
pub(super) fn as_noted(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
    reason
}

/// Sorts by time and is never minted twice (UUID v7).
pub(super) fn new_instance_id(wall_ms: u64, chance: &Chance) -> String {
    let random: [u8; 10] = chance.bytes();
    format!("i-{}", Builder::from_unix_timestamp_millis(wall_ms, &random).into_uuid().simple())
}

#[cfg(test)]
#[path = "shortage_test.rs"]
mod tests;
