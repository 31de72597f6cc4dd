use std::sync::Arc;

use bytes::Bytes;
use navarch_proto::fleet::{Accepted, FailInstance, FailureKind};

use super::{breaker_changes, given_up_gpus, matching, shared};
use crate::{
    event::{Context, Event, EventKind, Subject},
    limits::MAX_REASON_BYTES,
    model::{Backoff, BackoffKey, Instance, InstanceState, InstanceStep},
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

const HOUR_MS: u64 = 3_600_000;

/// An order or a machine failed. One with a machine goes on to terminating; a fallback is a new order.
pub(super) fn apply(
    proposal: &FailInstance,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let instance = shared::instance(state, &proposal.instance_id)?;
    let kind = match FailureKind::try_from(proposal.kind) {
        Ok(FailureKind::Unspecified) | Err(_) => {
            return Err(Refusal::invalid(format!(
                "{} is no failure kind; say why the instance failed",
                proposal.kind
            )));
        }
        Ok(kind) => kind,
    };
    let what = format!("instance {}", instance.id);
    shared::check_revision(&what, proposal.instance_revision, instance.revision)?;
    let wanted = format!("fail ({})", word(kind));
    let after = shared::next_instance_state(&instance, InstanceStep::Fail(kind), &wanted)?;
    // Whoever is taken for gone by what we hear or see of it may be there all the same.
    if matches!(kind, FailureKind::NodeLost | FailureKind::NodeUnhealthy | FailureKind::Vanished) {
        breaker_changes::check_instance(state, &instance, context.now)?;
    }
    check_node(state, &instance, kind)?;
    fail(state, context, &instance, (kind, after, &proposal.reason));
    shared::release_replaced(state, context, &instance, "its replacement failed");
    match kind {
        // Whatever a provider refuses for good it refuses the next order too, for a while.
        FailureKind::Capacity | FailureKind::Quota | FailureKind::Invalid => {
            open_backoff(state, context, &instance, kind);
        }
        FailureKind::Vanished => {
            shared::terminate_node(state, context, &instance, "the provider has no such machine");
        }
        FailureKind::NodeLost => count_replacement(state, context, &instance),
        FailureKind::NodeUnhealthy => {
            count_replacement(state, context, &instance);
            given_up_gpus::remember(state, context, (&instance, &proposal.reason));
        }
        FailureKind::Unspecified
        | FailureKind::LaunchTimeout
        | FailureKind::Stale
        | FailureKind::BadGpu => {}
    }
    // An order that came to nothing has no machine that a node could run on.
    if instance.state == InstanceState::Provisioning
        && let Some(node_id) = &instance.node_id
    {
        matching::undo_join(state, context, node_id, "the order failed");
    }
    Ok(shared::accepted_instance(state, instance.id.as_str()))
}

/// A node that was found, or cleared, since this was decided keeps its machine: the instance's own revision does not tell.
fn check_node(state: &FleetState, instance: &Instance, kind: FailureKind) -> Result<(), Refusal> {
    let node = instance.node_id.as_ref().and_then(|id| state.nodes.get(id.as_str()));
    let well = match (kind, node) {
        (FailureKind::NodeLost, Some(node)) if !node.is_lost() => "is heard from again",
        (FailureKind::NodeUnhealthy, Some(node)) if !node.health.latched => "was cleared",
        _ => return Ok(()),
    };
    let node = node.map_or("", |node| node.id.as_str());
    Err(Refusal::stale(format!("node {node} of instance {} {well}", instance.id)))
}

pub(super) fn fail(
    state: &mut FleetState,
    context: &mut Context<'_>,
    instance: &Instance,
    failure: (FailureKind, InstanceState, &str),
) {
    let (kind, after, reason) = failure;
    let event = Event::new(EventKind::InstanceFailed, Subject::Instance(instance.id.as_str()))
        .reason(reason)
        .change("state", instance.state, after)
        .change("failure", word(instance.failure), word(kind));
    context.emit(event);
    state.instances.update(instance.id.as_str(), |record| {
        record.enter(after, context.now);
        record.failure = kind;
        record.request_body = Bytes::new();
        record.status_message = stored(reason, MAX_REASON_BYTES);
    });
}

/// What is replaced within an hour is bounded, so it is counted, across leaders.
pub(super) fn count_replacement(
    state: &mut FleetState,
    context: &Context<'_>,
    instance: &Instance,
) {
    let Some(pool) = state.pools.get(instance.pool.as_str()) else { return };
    let mut counted = (**pool).clone();
    counted.replaced_at.retain(|at| at.plus_ms(HOUR_MS) > context.now);
    counted.replaced_at.push(context.now);
    state.pools.insert(counted.name.clone(), Arc::new(counted));
}

pub(super) fn open_backoff(
    state: &mut FleetState,
    context: &mut Context<'_>,
    instance: &Instance,
    kind: FailureKind,
) {
    let key = BackoffKey {
        provider: instance.provider.clone(),
        region: Arc::clone(&instance.region),
        instance_type: Arc::clone(&instance.instance_type),
    };
    let before = state.backoffs.get(&key).copied();
    // Nothing is ordered during a pause, so this order is of the burst that began it: one refusal, not many.
    if before.is_some_and(|backoff| backoff.until > context.now) {
        return;
    }
    let after = Backoff::after(before, kind == FailureKind::BadGpu, context.now);
    let event =
        Event::new(EventKind::CapacityBackoff, Subject::Provider(instance.provider.as_str()))
            .reason(&format!(
                "no {} in {:?} ({})",
                instance.instance_type,
                &*instance.region,
                word(kind)
            ))
            .change("failures", before.map_or(0, |backoff| backoff.failures), after.failures)
            .change("pause_ms", "", after.until.as_ms() - context.now.as_ms());
    context.emit(event);
    state.backoffs.insert(key, after);
}

/// How events and messages name a failure.
fn word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Unspecified => "",
        FailureKind::Capacity => "capacity",
        FailureKind::Quota => "quota",
        FailureKind::Invalid => "invalid",
        FailureKind::Stale => "stale",
        FailureKind::LaunchTimeout => "launch-timeout",
        FailureKind::Vanished => "vanished",
        FailureKind::NodeLost => "node-lost",
        FailureKind::NodeUnhealthy => "node-unhealthy",
        FailureKind::BadGpu => "bad-gpu",
    }
}
