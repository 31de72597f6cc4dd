//! Which node runs on which instance.

use std::sync::Arc;

use navarch_proto::api::RegisterNodeRequest;

use super::{given_up_gpus, record_purchase, register_node::named_instance};
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{NodeId, PoolName},
    limits::MAX_REASON_BYTES,
    model::{Instance, InstanceState, InstanceStep, Node, POOL_LABEL},
    state::FleetState,
    text::stored,
};

/// The instance that a registering node runs on: the one that its label names, if no other node is joined
/// to it and its machine is not known to be another; else the one whose machine bears the node's id.
///
/// A join holds until a purchase contradicts it: only while the order is open may the agent name another.
pub(super) fn find(
    state: &FleetState,
    request: &RegisterNodeRequest,
    known: Option<&Node>,
) -> Option<Arc<Instance>> {
    let node_id = request.node_id.as_str();
    let found = named_instance(request)
        .and_then(|id| state.instances.get(id))
        .filter(|instance| {
            is_free_for(state, instance, node_id)
                && instance.provider_ref.as_ref().is_none_or(|found| found.as_str() == node_id)
        })
        .or_else(|| {
            state
                .instances
                .by_ref(&request.provider, node_id)
                .filter(|instance| is_free_for(state, instance, node_id))
        });
    let joined = known
        .and_then(|node| node.instance_id.as_ref())
        .and_then(|id| state.instances.get(id.as_str()));
    match (joined, found) {
        (Some(joined), Some(found)) if joined.state == InstanceState::Provisioning => {
            Some(found.clone())
        }
        (Some(joined), _) => Some(joined.clone()),
        (None, found) => found.cloned(),
    }
}

/// Whether no other node is joined to it.
fn is_free_for(state: &FleetState, instance: &Instance, node_id: &str) -> bool {
    match &instance.node_id {
        None => true,
        Some(joined) if joined.as_str() == node_id => true,
        // A forgotten node's name stays on the record; it is joined no more.
        Some(joined) => state
            .nodes
            .get(joined.as_str())
            .is_none_or(|node| node.instance_id.as_ref() != Some(&instance.id)),
    }
}

/// The node that waits for an instance's machine: it bears the machine's id, and nothing explains it yet.
pub(super) fn waiting_node(state: &FleetState, instance: &Instance) -> Option<NodeId> {
    let provider_ref = instance.provider_ref.as_ref()?;
    let node = state.nodes.get(provider_ref.as_str())?;
    let waits = node.instance_id.is_none() && *node.provider == *instance.provider.as_str();
    waits.then(|| node.id.clone())
}

/// Joins a node to an instance that allows it. One that waited for its agent runs from now on.
pub(super) fn join(
    state: &mut FleetState,
    context: &mut Context<'_>,
    node_id: &NodeId,
    instance: &Instance,
) {
    let Ok(after) = instance.next(InstanceStep::Join) else {
        return;
    };
    let Some(node) = state.nodes.get(node_id.as_str()).cloned() else {
        return;
    };
    let (id, pool) = (instance.id.clone(), instance.pool.clone());
    let event = Event::new(EventKind::NodeJoined, Subject::Node(node_id.as_str()))
        .change("instance", "", &id)
        .change("pool", node.pool.as_ref().map_or("", PoolName::as_str), &pool);
    context.emit(event);
    state.nodes.update(node_id.as_str(), |node| {
        node.instance_id = Some(id);
        node.pool = Some(pool);
    });
    state.instances.update(instance.id.as_str(), |instance| {
        instance.node_id = Some(node_id.clone());
    });
    if after == instance.state {
        given_up_gpus::refuse(state, context, instance.id.as_str());
    } else {
        run(state, context, instance);
    }
}

/// An instance's agent has registered, on a machine that is known to be the instance's.
pub(super) fn run(state: &mut FleetState, context: &mut Context<'_>, instance: &Instance) {
    let reason = "its node registered";
    let event = Event::new(EventKind::InstanceRunning, Subject::Instance(instance.id.as_str()))
        .reason(reason)
        .change("state", instance.state, InstanceState::Running);
    context.emit(event);
    state.instances.update(instance.id.as_str(), |instance| {
        instance.enter(InstanceState::Running, context.now);
        instance.status_message = stored(reason, MAX_REASON_BYTES);
    });
    given_up_gpus::refuse(state, context, instance.id.as_str());
    // Bought and well: what the provider hands out there is as good as any again.
    let runs = state.instances.get(instance.id.as_str());
    if runs.is_some_and(|one| one.state == InstanceState::Running) {
        record_purchase::clear_backoff(state, instance, |backoff| backoff.bad_gpu);
    }
}

/// Takes a node off the instance that it is joined to, if it is. It counts towards its label's pool again.
pub(super) fn undo_join(
    state: &mut FleetState,
    context: &mut Context<'_>,
    node_id: &NodeId,
    reason: &str,
) {
    let Some(node) = state.nodes.get(node_id.as_str()).cloned() else {
        return;
    };
    let Some(instance_id) = node.instance_id.clone() else {
        return;
    };
    let inventory = node.inventory();
    let label = inventory.metadata.as_ref().and_then(|metadata| metadata.labels.get(POOL_LABEL));
    let pool = label.and_then(|name| PoolName::shared(state.texts.share(name)).ok());
    let event = Event::new(EventKind::NodeUnjoined, Subject::Node(node_id.as_str()))
        .reason(reason)
        .change("instance", &instance_id, "")
        .change(
            "pool",
            node.pool.as_ref().map_or("", PoolName::as_str),
            pool.as_ref().map_or("", PoolName::as_str),
        );
    context.emit(event);
    state.nodes.update(node_id.as_str(), |node| {
        node.instance_id = None;
        node.pool = pool;
    });
    state.instances.update(instance_id.as_str(), |instance| instance.node_id = None);
}
