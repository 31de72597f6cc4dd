use bytes::Bytes;
use navarch_proto::fleet::{Accepted, AdoptMachine, FailureKind, RecordPurchase};

use super::{matching, record_purchase, shared};
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{InstanceId, ProviderName, ProviderRef, Revision, check_text},
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
    check_text("region", &proposal.region)?;
    check_text("zone", &proposal.zone)?;
    check_text("instance type", &proposal.instance_type)?;
    record_purchase::check_price(proposal.price_per_hour)?;
    if state.provider_spec(&proposal.provider).is_none() {
        return Err(Refusal::precondition(format!(
            "provider {:?} is not configured; add it and apply the file",
            proposal.provider
        )));
    }
    if let Some(known) = state.instances.by_ref(&proposal.provider, provider_ref.as_str())
        && known.may_have_machine()
    {
        return Err(Refusal::already_exists(format!(
            "machine {provider_ref} is that of instance {}, and its label says {id}",
            known.id
        )));
    }
    Ok(Instance {
        id: id.clone(),
        pool: pool.name.clone(),
        provider: ProviderName::shared(state.texts.share(&proposal.provider))?,
        region: state.texts.share(&proposal.region),
        zone: state.texts.share(&proposal.zone),
        instance_type: state.texts.share(&proposal.instance_type),
        state: InstanceState::PendingRegistration,
        provider_ref: Some(provider_ref),
        node_id: None,
        request_body: Bytes::new(),
        replaces: None,
        replaced_by: None,
        revision: Revision(1),
        created_at: context.now,
        ready_at: None,
        state_since: context.now,
        terminated_at: None,
        status_message: stored("adopted: the snapshot did not know it", MAX_REASON_BYTES),
        price_per_hour: proposal.price_per_hour,
        failure: FailureKind::Unspecified,
    })
}
