use navarch_proto::fleet::{Accepted, RecordPoolMetrics};

use super::shared;
use crate::{
    event::Context,
    limits::{DEFAULT_METRICS_TTL_MS, LONGEST_METRICS_TTL_MS},
    model::{PoolMetrics, Told},
    outcome::Refusal,
    state::FleetState,
};

/// Keeps what is told of a pool until it expires. Not journalled: it may come every few seconds, and the
/// decisions that it leads to say where their figures came from.
pub(super) fn apply(
    proposal: &RecordPoolMetrics,
    state: &mut FleetState,
    context: &Context<'_>,
) -> Result<Accepted, Refusal> {
    let pool = shared::pool(state, &proposal.pool)?;
    let ttl_ms = check(proposal)?;
    let (at, until) = (context.now, context.now.plus_ms(ttl_ms));
    let before = state.pool_metrics.get(pool.name.as_str()).copied().unwrap_or_default();
    let count = |value: Option<u32>| value.map(|value| Told { value, at, until });
    let utilization = proposal.utilization.map(|value| Told { value, at, until });
    let after = PoolMetrics {
        pending_jobs: count(proposal.pending_jobs).or(before.pending_jobs),
        queue_depth: count(proposal.queue_depth).or(before.queue_depth),
        utilization: utilization.or(before.utilization),
    };
    state.pool_metrics.insert(pool.name.clone(), after.without_expired(at));
    Ok(Accepted::default())
}

/// That the figures can be figures; answers how long they hold.
fn check(proposal: &RecordPoolMetrics) -> Result<u64, Refusal> {
    let RecordPoolMetrics { pool, pending_jobs, queue_depth, utilization, ttl_ms } = proposal;
    if pending_jobs.is_none() && queue_depth.is_none() && utilization.is_none() {
        return Err(Refusal::invalid(format!(
            "the report on pool {pool} holds no figure; give pending_jobs, queue_depth or utilization"
        )));
    }
    if let (Some(pending), Some(depth)) = (pending_jobs, queue_depth)
        && pending > depth
    {
        return Err(Refusal::invalid(format!(
            "pool {pool}: queue_depth, {depth}, is below pending_jobs, {pending}; it counts the jobs \
             that wait and those that run"
        )));
    }
    if let Some(percent) = utilization
        && !(0.0..=100.0).contains(percent)
    {
        return Err(Refusal::invalid(format!(
            "pool {pool}: utilization is {percent}; give percent from 0 to 100"
        )));
    }
    match *ttl_ms {
        0 => Ok(DEFAULT_METRICS_TTL_MS),
        ttl_ms if ttl_ms <= LONGEST_METRICS_TTL_MS => Ok(ttl_ms),
        ttl_ms => Err(Refusal::invalid(format!(
            "pool {pool}: ttl_ms is {ttl_ms}; the limit is {LONGEST_METRICS_TTL_MS}, one hour: report \
             again before the figures expire"
        ))),
    }
}
