use navarch_proto::fleet::{Accepted, HoldReplacement};

use super::shared::{Hold, note_hold};
use crate::{
    event::{Context, EventKind},
    outcome::Refusal,
    state::FleetState,
};

const HOLD: Hold = Hold {
    field: "replacement_held",
    note: |pool| &mut pool.replacement_held,
    held: EventKind::ReplacementHeld,
    released: EventKind::ReplacementReleased,
};

/// Notes why machines of a pool that should be replaced are not, or that they are again.
pub(super) fn apply(
    proposal: &HoldReplacement,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    note_hold(&HOLD, (&proposal.pool, &proposal.reason), state, context)
}
