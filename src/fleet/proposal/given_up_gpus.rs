//! GPUs of machines that were given up on as unhealthy: a cloud that hands one of them back within a week is told no.

use std::sync::Arc;

use navarch_proto::fleet::FailureKind;

use super::fail_instance;
use crate::{
    event::Context,
    limits::{MAX_GIVEN_UP_GPUS, MAX_REASON_BYTES, RETAIN_GIVEN_UP_GPUS_MS},
    model::{GivenUpGpu, Instance, InstanceState, InstanceStep, Node},
    state::FleetState,
    text::stored,
};

/// Remembers the GPUs of an instance's node.
pub(super) fn remember(
    state: &mut FleetState,
    context: &Context<'_>,
    (instance, reason): (&Instance, &str),
) {
    let node = instance.node_id.as_ref().and_then(|id| state.nodes.get(id.as_str()));
    let uuids = node.map(|node| uuids(node)).unwrap_or_default();
    let gpu = GivenUpGpu {
        instance_id: Arc::from(instance.id.as_str()),
        reason: stored(reason, MAX_REASON_BYTES),
        at: Some(context.now),
        until: context.now.plus_ms(RETAIN_GIVEN_UP_GPUS_MS),
    };
    for uuid in uuids {
        if state.given_up_gpus.len() < MAX_GIVEN_UP_GPUS {
            state.given_up_gpus.insert(Arc::from(uuid), gpu.clone());
        }
    }
}

/// Fails an instance that has just come to run if its node has a GPU that was given up on. Its place is left
/// alone for a while, or the same machine would be bought again and again.
pub(super) fn refuse(state: &mut FleetState, context: &mut Context<'_>, id: &str) {
    // A restored fleet gives nothing up before a person has looked.
    if state.given_up_gpus.is_empty() || state.adoption.is_some() {
        return;
    }
    let Some(instance) = state.instances.get(id).filter(|one| one.state == InstanceState::Running)
    else {
        return;
    };
    let instance = Arc::clone(instance);
    let Some(node) = instance.node_id.as_ref().and_then(|id| state.nodes.get(id.as_str())) else {
        return;
    };
    let remembered = |uuid: &String| {
        state.given_up_gpus.get(uuid.as_str()).is_some_and(|gpu| gpu.until > context.now)
    };
    let Some(uuid) = uuids(node).into_iter().find(remembered) else { return };
    let kind = FailureKind::BadGpu;
    let Ok(after) = instance.next(InstanceStep::Fail(kind)) else { return };
    let reason = format!(
        "GPU {uuid} was given up on with another machine within the last 7 days; if it is well, \
         `navarch gpu forgive {uuid}` lets it back"
    );
    fail_instance::fail(state, context, &instance, (kind, after, &reason));
    fail_instance::open_backoff(state, context, &instance, kind);
}

/// Forgets what has been remembered for long enough; answers how many.
pub(super) fn drop_expired(state: &mut FleetState, context: &Context<'_>, limit: usize) -> usize {
    let due: Vec<Arc<str>> = state
        .given_up_gpus
        .iter()
        .filter(|(_, gpu)| gpu.until <= context.now)
        .take(limit)
        .map(|(uuid, _)| Arc::clone(uuid))
        .collect();
    for uuid in &due {
        state.given_up_gpus.remove(uuid);
    }
    due.len()
}

fn uuids(node: &Node) -> Vec<String> {
    let gpus = node.inventory().gpus;
    gpus.into_iter().map(|gpu| gpu.uuid).filter(|uuid| !uuid.is_empty()).collect()
}
