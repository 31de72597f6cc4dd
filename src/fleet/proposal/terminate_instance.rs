use navarch_proto::fleet::{Accepted, TerminateInstance};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    limits::MAX_REASON_BYTES,
    model::InstanceStep,
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// Decides to give a machine back, before the provider hears of it.
pub(super) fn apply(
    proposal: &TerminateInstance,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let instance = shared::instance(state, &proposal.instance_id)?;
    let what = format!("instance {}", instance.id);
    shared::check_revision(&what, proposal.instance_revision, instance.revision)?;
    let after = shared::next_instance_state(&instance, InstanceStep::Terminate, "be terminated")?;
    if after != instance.state {
        let event =
            Event::new(EventKind::InstanceTerminating, Subject::Instance(instance.id.as_str()))
                .reason(&proposal.reason)
                .change("state", instance.state, after);
        context.emit(event);
        state.instances.update(instance.id.as_str(), |record| {
            record.enter(after, context.now);
            record.status_message = stored(&proposal.reason, MAX_REASON_BYTES);
        });
        shared::release_replaced(state, context, &instance, "its replacement is given back");
    }
    Ok(shared::accepted_instance(state, instance.id.as_str()))
}
