use std::sync::Arc;

use navarch_proto::fleet::{Accepted, HoldReplacement};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    limits::MAX_REASON_BYTES,
    model::Pool,
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// Notes why machines of a pool that should be replaced are not, or that they are again.
pub(super) fn apply(
    proposal: &HoldReplacement,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let pool = shared::pool(state, &proposal.pool)?;
    let replacement_held = stored(&proposal.reason, MAX_REASON_BYTES);
    if replacement_held != pool.replacement_held {
        let kind = if replacement_held.is_empty() {
            EventKind::ReplacementReleased
        } else {
            EventKind::ReplacementHeld
        };
        let event = Event::new(kind, Subject::Pool(pool.name.as_str()))
            .reason(&replacement_held)
            .change("replacement_held", &pool.replacement_held, &replacement_held);
        context.emit(event);
        let revision = pool.revision.next();
        let after = Pool { replacement_held, revision, ..(*pool).clone() };
        state.pools.insert(pool.name.clone(), Arc::new(after));
    }
    Ok(shared::accepted_pool(state, pool.name.as_str()))
}
