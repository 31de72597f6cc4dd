use std::{cmp::Reverse, collections::BinaryHeap};

use navarch_fleet::FleetState;

/// How many of a pool's orders are looked at, the newest ones: their ids sort by time.
const LOOKED_AT: usize = 32;
/// How many machines count: those that became ready last.
const COUNTED: usize = 9;
/// What is assumed of a pool none of whose newest machines has become ready yet: five minutes.
pub(super) const DEFAULT_DELAY_MS: u64 = 300_000;

/// How long a machine of the pool takes from its order until its agent registers, in milliseconds: the median
/// of the last ones that did.
pub(super) fn provisioning_delay_ms(fleet: &FleetState, pool: &str) -> u64 {
    let mut last = BinaryHeap::with_capacity(COUNTED + 1);
    for instance in fleet.instances_in_pool(pool).rev().take(LOOKED_AT) {
        let Some(ready_at) = instance.ready_at else { continue };
        let delay_ms = ready_at.as_ms().saturating_sub(instance.created_at.as_ms());
        last.push(Reverse((ready_at, delay_ms)));
        if last.len() > COUNTED {
            last.pop();
        }
    }
    let mut delays: Vec<u64> = last.into_iter().map(|Reverse((_, delay_ms))| delay_ms).collect();
    delays.sort_unstable();
    delays.get(delays.len() / 2).copied().unwrap_or(DEFAULT_DELAY_MS)
}
