use std::sync::Arc;

use navarch_proto::fleet::{Accepted, PausePool};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    model::Pool,
    outcome::Refusal,
    state::FleetState,
};

/// Freezes a pool, or lets it go on. What is under way ends; nothing new begins.
pub(super) fn apply(
    proposal: &PausePool,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let pool = shared::pool(state, &proposal.pool)?;
    if pool.paused != proposal.paused {
        let kind = if proposal.paused { EventKind::PoolPaused } else { EventKind::PoolResumed };
        let event = Event::new(kind, Subject::Pool(pool.name.as_str()))
            .reason(&proposal.reason)
            .change("paused", pool.paused, proposal.paused);
        context.emit(event);
        let revision = pool.revision.next();
        let after = Pool { paused: proposal.paused, revision, ..(*pool).clone() };
        state.pools.insert(pool.name.clone(), Arc::new(after));
    }
    Ok(shared::accepted_pool(state, pool.name.as_str()))
}
