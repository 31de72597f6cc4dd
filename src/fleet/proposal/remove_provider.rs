use std::sync::Arc;

use navarch_proto::fleet::{Accepted, FleetSpec, RemoveProvider};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    outcome::Refusal,
    state::FleetState,
};

/// Ends a provider's retirement: none of its machines is left to be given back.
pub(super) fn apply(
    proposal: &RemoveProvider,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let name = proposal.provider.as_str();
    shared::check_provider(state, name)?;
    if !state.provider_spec(name).is_some_and(|spec| spec.retiring) {
        return Err(Refusal::precondition(format!(
            "provider {name} is not being removed; leave it out of the file and apply that"
        )));
    }
    let machines = state.instances.occupying(name);
    if machines > 0 {
        return Err(Refusal::precondition(format!(
            "provider {name} has {machines} instances that are not known to be gone; it goes once they \
             are"
        )));
    }
    let mut spec = state.spec.as_deref().map_or_else(FleetSpec::default, FleetSpec::clone);
    spec.providers.retain(|known| known.name != name);
    let event = Event::new(EventKind::ProviderRemoved, Subject::Provider(name))
        .reason("the last of its machines is gone");
    context.emit(event);
    state.spec_revision += 1;
    state.spec = Some(Arc::new(spec));
    Ok(Accepted { revision: state.spec_revision, ..Accepted::default() })
}
