use std::sync::Arc;

use bytes::Bytes;
use navarch_proto::fleet::{Accepted, RecordPurchase};

use super::{matching, shared};
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{ProviderRef, check_text},
    limits::MAX_REASON_BYTES,
    model::{Backoff, BackoffKey, Instance, InstanceState, InstanceStep},
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// The provider sold a machine for an order. Under a failed or terminated record it comes too late, and is
/// given back.
pub(super) fn apply(
    proposal: &RecordPurchase,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let instance = shared::instance(state, &proposal.instance_id)?;
    let provider_ref = ProviderRef::new(&proposal.provider_ref)?;
    check_text("region", &proposal.region)?;
    check_text("zone", &proposal.zone)?;
    check_price(proposal.price_per_hour)?;
    let after = shared::next_instance_state(&instance, InstanceStep::Buy, "be bought")?;
    check_machine(state, &instance, &provider_ref)?;
    if after == instance.state {
        return Ok(shared::accepted_instance(state, instance.id.as_str()));
    }
    clear_backoff(state, &instance, |backoff| !backoff.bad_gpu);
    buy(state, context, &instance, (proposal, provider_ref, after));
    if after == InstanceState::PendingRegistration {
        settle_join(state, context, instance.id.as_str());
    }
    Ok(shared::accepted_instance(state, instance.id.as_str()))
}

pub(super) fn check_price(price_per_hour: f64) -> Result<(), Refusal> {
    if price_per_hour.is_finite() && price_per_hour >= 0.0 {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "{price_per_hour} is no price; give US dollars an hour, 0 for unknown"
    )))
}

/// One order is one machine, and one machine is of one order.
fn check_machine(
    state: &FleetState,
    instance: &Instance,
    provider_ref: &ProviderRef,
) -> Result<(), Refusal> {
    if let Some(known) = &instance.provider_ref
        && instance.may_have_machine()
        && known != provider_ref
    {
        let why = format!("its machine is {known}, not {provider_ref}");
        return Err(shared::refused_transition(instance, "be bought", &why));
    }
    let other = state.instances.by_ref(instance.provider.as_str(), provider_ref.as_str());
    if let Some(other) = other
        && other.id != instance.id
        && other.may_have_machine()
    {
        let why = format!("machine {provider_ref} is that of instance {}", other.id);
        return Err(shared::refused_transition(instance, "be bought", &why));
    }
    Ok(())
}

/// What was sold out is on sale again, if that is what the pause was for.
pub(super) fn clear_backoff(
    state: &mut FleetState,
    instance: &Instance,
    of_that_kind: impl Fn(&Backoff) -> bool,
) {
    let key = BackoffKey {
        provider: instance.provider.clone(),
        region: instance.region.clone(),
        instance_type: instance.instance_type.clone(),
    };
    if state.backoffs.get(&key).is_some_and(of_that_kind) {
        state.backoffs.remove(&key);
    }
}

fn buy(
    state: &mut FleetState,
    context: &mut Context<'_>,
    instance: &Instance,
    sale: (&RecordPurchase, ProviderRef, InstanceState),
) {
    let (proposal, provider_ref, after) = sale;
    let (kind, reason) = if after == InstanceState::Terminating {
        (EventKind::InstanceTerminating, "its machine turned up late")
    } else {
        (EventKind::InstanceBought, "bought")
    };
    let before_ref = instance.provider_ref.as_ref().map_or("", ProviderRef::as_str);
    let event = Event::new(kind, Subject::Instance(instance.id.as_str()))
        .reason(reason)
        .change("state", instance.state, after)
        .change("provider_ref", before_ref, &provider_ref);
    context.emit(event);
    let region = state.texts.share(&proposal.region);
    let zone = state.texts.share(&proposal.zone);
    state.instances.update(instance.id.as_str(), |record| {
        record.provider_ref = Some(provider_ref);
        if !region.is_empty() {
            record.region = region;
        }
        if !zone.is_empty() {
            record.zone = zone;
        }
        record.price_per_hour = proposal.price_per_hour;
        // The order is answered: it is never asked again.
        record.request_body = Bytes::new();
        record.enter(after, context.now);
        record.status_message = stored(reason, MAX_REASON_BYTES);
    });
}

/// The agent may have been faster than the purchase's result: a node that joined by its label runs on the
/// machine only if it bears its id, and a node that bears it may be waiting.
fn settle_join(state: &mut FleetState, context: &mut Context<'_>, id: &str) {
    let Some(instance) = state.instances.get(id).cloned() else {
        return;
    };
    if let Some(node_id) = &instance.node_id {
        let matches = instance
            .provider_ref
            .as_ref()
            .is_some_and(|provider_ref| provider_ref.as_str() == node_id.as_str());
        if matches {
            return matching::run(state, context, &instance);
        }
        matching::undo_join(state, context, node_id, "the instance's machine is another one");
    }
    let Some(instance) = state.instances.get(id).map(Arc::clone) else {
        return;
    };
    if let Some(node_id) = matching::waiting_node(state, &instance) {
        matching::join(state, context, &node_id, &instance);
    }
}
