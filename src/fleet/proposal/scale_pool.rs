use std::sync::Arc;

use navarch_proto::fleet::{Accepted, ScalePool};

use super::{set_pool_target::check_target, shared};
use crate::{
    event::{Context, Event, EventKind, Subject},
    model::Pool,
    outcome::Refusal,
    state::FleetState,
    time::{LogTime, ms_or_zero},
};

/// An operator's target; it holds the autoscaler off until a time, or not.
pub(super) fn apply(
    proposal: &ScalePool,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let pool = shared::pool(state, &proposal.pool)?;
    shared::check_stays(state, &pool)?;
    check_target(state, &pool, proposal.target)?;
    let hold_until = LogTime::optional(proposal.hold_until_ms);
    let after = Pool {
        target: proposal.target,
        reason: Arc::from(format!("{} scaled it", context.actor)),
        hold_until,
        revision: pool.revision.next(),
        ..(*pool).clone()
    };
    let event = Event::new(EventKind::PoolScaled, Subject::Pool(pool.name.as_str()))
        .reason(&after.reason)
        .change("target", pool.target, after.target)
        .change("hold_until_ms", ms_or_zero(pool.hold_until), ms_or_zero(hold_until));
    context.emit(event);
    state.pools.insert(pool.name.clone(), Arc::new(after));
    Ok(shared::accepted_pool(state, pool.name.as_str()))
}
