use std::sync::Arc;

use navarch_proto::fleet::{Accepted, HoldPool};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    limits::MAX_REASON_BYTES,
    model::Pool,
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// Notes why nothing is bought for a pool, or that it is bought for again.
pub(super) fn apply(
    proposal: &HoldPool,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let pool = shared::pool(state, &proposal.pool)?;
    let held_reason = stored(&proposal.reason, MAX_REASON_BYTES);
    if held_reason != pool.held_reason {
        let kind =
            if held_reason.is_empty() { EventKind::PoolReleased } else { EventKind::PoolHeld };
        let event = Event::new(kind, Subject::Pool(pool.name.as_str()))
            .reason(&held_reason)
            .change("held_reason", &pool.held_reason, &held_reason);
        context.emit(event);
        let revision = pool.revision.next();
        let after = Pool { held_reason, revision, ..(*pool).clone() };
        state.pools.insert(pool.name.clone(), Arc::new(after));
    }
    Ok(shared::accepted_pool(state, pool.name.as_str()))
}
