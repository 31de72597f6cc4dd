use navarch_proto::fleet::{Accepted, KeepInstance};

use super::{fail_instance, shared};
use crate::{event::Context, outcome::Refusal, state::FleetState};

/// A machine that was to be replaced is well again. What was bought in its place is surplus from now on.
pub(super) fn apply(
    proposal: &KeepInstance,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let instance = shared::instance(state, &proposal.instance_id)?;
    let what = format!("instance {}", instance.id);
    shared::check_revision(&what, proposal.instance_revision, instance.revision)?;
    // A machine was bought for it all the same: one that comes and goes must not be a purchase each time.
    if instance.is_being_replaced() {
        fail_instance::count_replacement(state, context, &instance);
    }
    shared::keep_instance(state, context, instance.id.as_str(), &proposal.reason);
    Ok(shared::accepted_instance(state, instance.id.as_str()))
}
