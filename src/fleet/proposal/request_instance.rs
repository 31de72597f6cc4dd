use std::sync::Arc;

use navarch_proto::fleet::{Accepted, RequestInstance};

use super::{breaker_changes, shared};
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{InstanceId, PoolName, ProviderName, check_text},
    limits::{MAX_REASON_BYTES, MAX_REQUEST_BODY_BYTES},
    model::{BackoffKey, Instance, InstanceState, Place, Pool},
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// Decides on an order, before the provider hears of it. From here on it keeps its slot until the provider
/// has answered for good.
pub(super) fn apply(
    proposal: RequestInstance,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let id = InstanceId::new(&proposal.instance_id)?;
    if state.instances.get(id.as_str()).is_some() {
        return Err(Refusal::already_exists(format!(
            "instance {id} exists already; one id is one order, mint a new one"
        )));
    }
    let pool = shared::pool(state, &proposal.pool)?;
    shared::check_stays(state, &pool)?;
    check_order(state, &proposal)?;
    let provider = provider(state, &proposal, context)?;
    let replaces = replaced(state, &proposal, &pool.name)?;
    if let Some(replaced) = replaces.as_ref().and_then(|id| state.instances.get(id.as_str())) {
        breaker_changes::check_instance(state, replaced, context.now)?;
    }
    check_room(state, &pool.name)?;
    if proposal.within_target && replaces.is_none() {
        check_wanted(state, &pool)?;
    }
    if let Some(replaced) = &replaces {
        mark_replaced(state, replaced, &id);
    }
    let event = Event::new(EventKind::InstanceRequested, Subject::Instance(id.as_str()))
        .reason(&proposal.reason)
        .change("state", "", InstanceState::Provisioning)
        .change("pool", "", &pool.name)
        .change("provider", "", &provider)
        .change("region", "", &proposal.region)
        .change("instance_type", "", &proposal.instance_type)
        .change("replaces", "", replaces.as_ref().map_or("", InstanceId::as_str));
    context.emit(event);
    let counted = Pool { choices: pool.choices.saturating_add(1), ..(*pool).clone() };
    state.pools.insert(pool.name.clone(), Arc::new(counted));
    let place = Place {
        provider,
        region: state.texts.share(&proposal.region),
        zone: state.texts.share(&proposal.zone),
        instance_type: state.texts.share(&proposal.instance_type),
    };
    let begun = InstanceState::Provisioning;
    state.instances.insert(Instance {
        request_body: proposal.request_body,
        replaces,
        status_message: stored(&proposal.reason, MAX_REASON_BYTES),
        ..Instance::begin(id.clone(), pool.name.clone(), place, begun, context.now)
    });
    Ok(shared::accepted_instance(state, id.as_str()))
}

fn check_order(state: &FleetState, proposal: &RequestInstance) -> Result<(), Refusal> {
    check_text("region", &proposal.region)?;
    check_text("zone", &proposal.zone)?;
    check_text("instance type", &proposal.instance_type)?;
    if proposal.request_body.len() > MAX_REQUEST_BODY_BYTES {
        return Err(Refusal::invalid(format!(
            "the request body takes {} bytes; the limit is {MAX_REQUEST_BODY_BYTES}",
            proposal.request_body.len()
        )));
    }
    shared::check_provider(state, &proposal.provider)?;
    // Nobody drains what a pool that stays has there, so the provider would be removed for ever.
    match state.provider_spec(&proposal.provider) {
        Some(provider) if provider.retiring => Err(Refusal::precondition(format!(
            "provider {} is being removed; apply a file that has it to buy there",
            provider.name
        ))),
        Some(_) | None => Ok(()),
    }
}

/// The provider, unless it said a moment ago that it has nothing of the kind.
fn provider(
    state: &mut FleetState,
    proposal: &RequestInstance,
    context: &Context<'_>,
) -> Result<ProviderName, Refusal> {
    let name = ProviderName::shared(state.texts.share(&proposal.provider))?;
    let key = BackoffKey {
        provider: name.clone(),
        region: state.texts.share(&proposal.region),
        instance_type: state.texts.share(&proposal.instance_type),
    };
    match state.backoff(&key) {
        Some(backoff) if backoff.until > context.now => Err(Refusal::precondition(format!(
            "provider {name} had no {} in {:?} {} times in a row; ask again after {}",
            proposal.instance_type, proposal.region, backoff.failures, backoff.until
        ))),
        Some(_) | None => Ok(name),
    }
}

fn replaced(
    state: &FleetState,
    proposal: &RequestInstance,
    pool: &PoolName,
) -> Result<Option<InstanceId>, Refusal> {
    if proposal.replaces.is_empty() {
        return Ok(None);
    }
    let replaced = shared::instance(state, &proposal.replaces)?;
    if replaced.pool != *pool {
        return Err(Refusal::invalid(format!(
            "instance {} is of pool {}, not of {pool}",
            replaced.id, replaced.pool
        )));
    }
    if let Some(other) = replaced.replaced_by.as_ref().filter(|_| replaced.is_being_replaced()) {
        return Err(Refusal::precondition(format!(
            "instance {} is being replaced by {other} already",
            replaced.id
        )));
    }
    // The pool counts it no longer and makes up for it: this order would be one too many.
    if replaced.state != InstanceState::Running {
        return Err(Refusal::stale(format!(
            "instance {} is {}; only a machine that runs is replaced",
            replaced.id, replaced.state
        )));
    }
    Ok(Some(replaced.id.clone()))
}

/// A machine and its replacement count one from now on.
fn mark_replaced(state: &mut FleetState, replaced: &InstanceId, by: &InstanceId) {
    state.instances.update(replaced.as_str(), |record| record.replaced_by = Some(by.clone()));
}

/// Whoever decides on orders looked a moment ago: what a pool lacked then it may have by now.
fn check_wanted(state: &FleetState, pool: &Pool) -> Result<(), Refusal> {
    let size = state.instances.counts(pool.name.as_str()).size();
    if size < pool.target {
        return Ok(());
    }
    Err(Refusal::stale(format!(
        "pool {} has {size} machines, and its target is {}",
        pool.name, pool.target
    )))
}

/// No purchase takes the occupancy above the maximum.
fn check_room(state: &FleetState, pool: &PoolName) -> Result<(), Refusal> {
    let limit = state.pool_spec(pool.as_str()).map_or(0, |spec| spec.max_nodes);
    let occupancy = state.instances.counts(pool.as_str()).occupancy();
    if occupancy < limit {
        return Ok(());
    }
    Err(Refusal::exhausted(format!(
        "pool {pool} has {occupancy} instances that are not known to be gone, and max_nodes is \
         {limit}; raise it or wait"
    )))
}
