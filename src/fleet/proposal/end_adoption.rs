use navarch_proto::fleet::Accepted;

use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::InstanceId,
    model::InstanceState,
    outcome::Refusal,
    state::FleetState,
};

/// An operator has looked: normal work goes on. Machines whose agents have not registered get a whole
/// registration time-out from here, since none was counted meanwhile.
pub(super) fn apply(
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let Some(adoption) = state.adoption.take() else {
        return Err(Refusal::precondition("the fleet is not in adopt mode"));
    };
    let event = Event::new(EventKind::AdoptionEnded, Subject::Fleet)
        .reason(&format!("{} machines became records", adoption.adopted));
    context.emit(event);
    let waiting: Vec<InstanceId> = state
        .instances
        .in_state(InstanceState::PendingRegistration)
        .map(|instance| instance.id.clone())
        .collect();
    for id in waiting {
        state.instances.update(id.as_str(), |instance| instance.state_since = context.now);
    }
    Ok(Accepted::default())
}
