use navarch_proto::fleet::{Accepted, HoldPool};

use super::shared::{Hold, note_hold};
use crate::{
    event::{Context, EventKind},
    outcome::Refusal,
    state::FleetState,
};

const HOLD: Hold = Hold {
    field: "held_reason",
    note: |pool| &mut pool.held_reason,
    held: EventKind::PoolHeld,
    released: EventKind::PoolReleased,
};

/// Notes why nothing is bought for a pool, or that it is bought for again.
pub(super) fn apply(
    proposal: &HoldPool,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    note_hold(&HOLD, (&proposal.pool, &proposal.reason), state, context)
}
