use std::sync::Arc;

use navarch_proto::fleet::{Accepted, LastDecision, SetPoolTarget};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    limits::MAX_REASON_BYTES,
    model::{Cooldown, Pool},
    outcome::Refusal,
    state::FleetState,
    text::{cut, stored},
    time::{LogTime, ms_or_zero},
};

/// The autoscaler's decision. A decision to leave the target as it is, is journalled once a reason.
pub(super) fn apply(
    proposal: &SetPoolTarget,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let pool = shared::pool(state, &proposal.pool)?;
    let what = format!("pool {}", pool.name);
    shared::check_revision(&what, proposal.pool_revision, pool.revision)?;
    shared::check_stays(state, &pool)?;
    check_target(state, &pool, proposal.target)?;
    let spec = state.pool_spec(pool.name.as_str()).filter(|_| proposal.start_cooldown);
    let cooldown = spec.map_or(pool.cooldown, |spec| Cooldown::begin(spec, context.now));
    let reason = stored(&proposal.reason, MAX_REASON_BYTES);
    let after = Pool { target: proposal.target, reason, cooldown, ..(*pool).clone() };
    let changes = after != *pool;
    let after = Pool { decision: decision(proposal, &pool, context.now), ..after };
    if changes || cause(&after) != cause(&pool) {
        let event = Event::new(EventKind::PoolDecided, Subject::Pool(pool.name.as_str()))
            .reason(&after.reason)
            .change("target", pool.target, after.target)
            .change("cause", cause(&pool), cause(&after));
        context.emit(tell_cooldown(event, pool.cooldown, cooldown));
        let after = Pool { revision: pool.revision.next(), ..after };
        state.pools.insert(pool.name.clone(), Arc::new(after));
    }
    Ok(shared::accepted_pool(state, pool.name.as_str()))
}

/// One deadline, or one each way where they differ.
fn tell_cooldown(event: Event, before: Cooldown, after: Cooldown) -> Event {
    if after.is_common() {
        let (before, after) = (ms_or_zero(before.later()), ms_or_zero(after.later()));
        return event.change("cooldown_until_ms", before, after);
    }
    event.change("scale_up_after_ms", ms_or_zero(before.up), ms_or_zero(after.up)).change(
        "scale_down_after_ms",
        ms_or_zero(before.down),
        ms_or_zero(after.down),
    )
}

/// What is kept of the decision, so that anybody can ask for it later.
fn decision(proposal: &SetPoolTarget, pool: &Pool, now: LogTime) -> Option<Arc<LastDecision>> {
    if proposal.cause.is_empty() {
        return pool.decision.clone();
    }
    let decision = LastDecision {
        at_ms: now.as_ms(),
        cause: cut(&proposal.cause, MAX_REASON_BYTES).to_owned(),
        reason: cut(&proposal.reason, MAX_REASON_BYTES).to_owned(),
        target: proposal.target,
        inputs: proposal.inputs.clone(),
    };
    Some(Arc::new(decision))
}

fn cause(pool: &Pool) -> &str {
    pool.decision.as_ref().map_or("", |decision| decision.cause.as_str())
}

/// That a target is within the pool's limits.
pub(super) fn check_target(state: &FleetState, pool: &Pool, target: u32) -> Result<(), Refusal> {
    let Some(spec) = state.pool_spec(pool.name.as_str()) else {
        return Err(Refusal::not_found(format!("pool {} is not configured", pool.name)));
    };
    if (spec.min_nodes..=spec.max_nodes).contains(&target) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "{target} is not within the limits of pool {}, {} to {}; change min_nodes or max_nodes and \
         apply the file",
        pool.name, spec.min_nodes, spec.max_nodes
    )))
}
