use navarch_proto::fleet::{Accepted, RecordTermination};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    limits::MAX_REASON_BYTES,
    model::InstanceStep,
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// The provider confirms that a machine is gone, and its node with it.
pub(super) fn apply(
    proposal: &RecordTermination,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let instance = shared::instance(state, &proposal.instance_id)?;
    let wanted = "be recorded as gone";
    let after = shared::next_instance_state(&instance, InstanceStep::ConfirmGone, wanted)?;
    if after != instance.state {
        let reason = "the provider confirmed that its machine is gone";
        let event =
            Event::new(EventKind::InstanceTerminated, Subject::Instance(instance.id.as_str()))
                .reason(reason)
                .change("state", instance.state, after);
        context.emit(event);
        state.instances.update(instance.id.as_str(), |record| {
            record.enter(after, context.now);
            record.status_message = stored(reason, MAX_REASON_BYTES);
        });
        shared::terminate_node(state, context, &instance, &instance.status_message);
    }
    Ok(shared::accepted_instance(state, instance.id.as_str()))
}
