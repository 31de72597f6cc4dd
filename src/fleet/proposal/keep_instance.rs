use navarch_proto::fleet::{Accepted, KeepInstance};

use super::{fail_instance, shared};
use crate::{event::Context, model::Instance, outcome::Refusal, state::FleetState};

/// A machine that was to be replaced is well again. What was bought in its place is surplus from now on.
pub(super) fn apply(
    proposal: &KeepInstance,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let instance = shared::instance(state, &proposal.instance_id)?;
    let what = format!("instance {}", instance.id);
    shared::check_revision(&what, proposal.instance_revision, instance.revision)?;
    call_off(state, context, &instance, &proposal.reason);
    Ok(shared::accepted_instance(state, instance.id.as_str()))
}

/// Ends the replacement of a machine that is well again, if one is under way. A machine was bought for it all the same, which
/// counts: one that comes and goes must not be a purchase each time.
pub(super) fn call_off(
    state: &mut FleetState,
    context: &mut Context<'_>,
    instance: &Instance,
    reason: &str,
) {
    if instance.is_being_replaced() {
        fail_instance::count_replacement(state, context, instance);
    }
    shared::keep_instance(state, context, instance.id.as_str(), reason);
}
