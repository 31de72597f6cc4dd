use navarch_proto::fleet::{Accepted, RecordOrphan};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{InstanceId, PoolName, ProviderRef},
    limits::MAX_REASON_BYTES,
    model::{Instance, InstanceState},
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// A machine that bears our tag and that no record explains: it gets a record, under which it is given back.
/// It counts towards its pool's occupancy until it is gone, since it costs as much as any other.
pub(super) fn apply(
    proposal: &RecordOrphan,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    shared::check_provider(state, &proposal.provider)?;
    let id = InstanceId::new(&proposal.instance_id)?;
    let provider_ref = ProviderRef::new(&proposal.provider_ref)?;
    let pool = PoolName::shared(state.texts.share(&proposal.pool))?;
    let zone = (proposal.region.as_str(), proposal.zone.as_str());
    let place = shared::place(state, &proposal.provider, zone, &proposal.instance_type)?;
    let provider = &place.provider;
    let explained = state.instances.by_ref(provider.as_str(), provider_ref.as_str());
    if let Some(instance) = explained.filter(|instance| instance.may_have_machine()) {
        return Err(Refusal::stale(format!(
            "machine {provider_ref} of provider {provider} is that of instance {}",
            instance.id
        )));
    }
    if proposal.report_only {
        let event = Event::new(EventKind::OrphanFound, Subject::Provider(provider.as_str()))
            .reason(&proposal.reason)
            .change("provider_ref", "", &provider_ref);
        context.emit(event);
        return Ok(Accepted::default());
    }
    if state.instances.get(id.as_str()).is_some() {
        return Err(Refusal::already_exists(format!(
            "instance {id} exists already; mint a new id for the orphan"
        )));
    }
    let event = Event::new(EventKind::OrphanFound, Subject::Instance(id.as_str()))
        .reason(&proposal.reason)
        .change("state", "", InstanceState::Terminating)
        .change("pool", "", &pool)
        .change("provider", "", provider)
        .change("provider_ref", "", &provider_ref);
    context.emit(event);
    let begun = Instance::begin(id.clone(), pool, place, InstanceState::Terminating, context.now);
    state.instances.insert(Instance {
        provider_ref: Some(provider_ref),
        status_message: stored(&proposal.reason, MAX_REASON_BYTES),
        ..begun
    });
    Ok(shared::accepted_instance(state, id.as_str()))
}
