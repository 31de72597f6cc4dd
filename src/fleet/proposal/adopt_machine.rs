use navarch_proto::fleet::{Accepted, AdoptMachine, RecordPurchase};

use super::{matching, record_purchase, shared};
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{InstanceId, ProviderRef},
    limits::MAX_REASON_BYTES,
    model::{Instance, InstanceState},
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// A machine bears our label and the records do not know it: it becomes one, in the pool that it was bought for,
/// whatever that pool's maximum is. Under a record of its own it is the answer to that record's order.
pub(super) fn apply(
    proposal: &AdoptMachine,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let id = InstanceId::new(&proposal.instance_id)?;
    let before = state.instances.get(id.as_str()).map(|known| known.revision);
    match before {
        Some(_) => drop(record_purchase::apply(&purchase(proposal), state, context)?),
        None => insert(&id, proposal, state, context)?,
    }
    let after = state.instances.get(id.as_str()).map(|known| known.revision);
    if before != after
        && let Some(adoption) = &mut state.adoption
    {
        adoption.adopted = adoption.adopted.saturating_add(1);
    }
    Ok(shared::accepted_instance(state, id.as_str()))
}

fn purchase(proposal: &AdoptMachine) -> RecordPurchase {
    RecordPurchase {
        instance_id: proposal.instance_id.clone(),
        provider_ref: proposal.provider_ref.clone(),
        region: proposal.region.clone(),
        zone: proposal.zone.clone(),
        price_per_hour: proposal.price_per_hour,
    }
}

fn insert(
    id: &InstanceId,
    proposal: &AdoptMachine,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    let instance = checked(id, proposal, state, context)?;
    let reason = instance.status_message.clone();
    let event = Event::new(EventKind::InstanceAdopted, Subject::Instance(id.as_str()))
        .reason(&reason)
        .change("state", "", instance.state)
        .change("pool", "", &instance.pool)
        .change("provider", "", &instance.provider)
        .change("provider_ref", "", &proposal.provider_ref);
    context.emit(event);
    state.instances.insert(instance.clone());
    // Its agent may have registered before anybody knew the machine.
    if let Some(node_id) = matching::waiting_node(state, &instance) {
        matching::join(state, context, &node_id, &instance);
    }
    Ok(())
}

fn checked(
    id: &InstanceId,
    proposal: &AdoptMachine,
    state: &mut FleetState,
    context: &Context<'_>,
) -> Result<Instance, Refusal> {
    let pool = shared::pool(state, &proposal.pool)?;
    let provider_ref = ProviderRef::new(&proposal.provider_ref)?;
    record_purchase::check_price(proposal.price_per_hour)?;
    shared::check_provider(state, &proposal.provider)?;
    let zone = (proposal.region.as_str(), proposal.zone.as_str());
    let place = shared::place(state, &proposal.provider, zone, &proposal.instance_type)?;
    if let Some(known) = state.instances.by_ref(&proposal.provider, provider_ref.as_str())
        && known.may_have_machine()
    {
        return Err(Refusal::already_exists(format!(
            "machine {provider_ref} is that of instance {}, and its label says {id}",
            known.id
        )));
    }
    let begun = InstanceState::PendingRegistration;
    Ok(Instance {
        provider_ref: Some(provider_ref),
        status_message: stored("adopted: the snapshot did not know it", MAX_REASON_BYTES),
        price_per_hour: proposal.price_per_hour,
        ..Instance::begin(id.clone(), pool.name.clone(), place, begun, context.now)
    })
}
