use navarch_proto::fleet::{Accepted, KeepInstance};

use super::shared;
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
    shared::keep_instance(state, context, instance.id.as_str(), &proposal.reason);
    Ok(shared::accepted_instance(state, instance.id.as_str()))
}
