use navarch_proto::fleet::Accepted;

use super::{forget_node, given_up_gpus, rule_remarks};
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{CommandId, InstanceId, PoolName},
    limits::{MAX_EXPIRED, RETAIN_COMMANDS_MS},
    model::{BackoffKey, BreakerKey, PoolMetrics},
    state::FleetState,
};

/// Drops what retention no longer keeps, the oldest first, at most [`MAX_EXPIRED`] records: finished
/// instances with their nodes, finished commands, outcomes of requests, pauses after capacity failures, breakers that
/// closed long ago, figures that were told of pools, health events and remarks on rules.
pub(super) fn apply(state: &mut FleetState, context: &mut Context<'_>) -> Accepted {
    let mut count = drop_instances(state, context, MAX_EXPIRED);
    count += drop_commands(state, context, MAX_EXPIRED - count);
    count += drop_backoffs(state, context, MAX_EXPIRED - count);
    count += drop_pool_metrics(state, context, MAX_EXPIRED - count);
    count += drop_breakers(state, context, MAX_EXPIRED - count);
    count += given_up_gpus::drop_expired(state, context, MAX_EXPIRED - count);
    count += state.histories.drop_expired(context.now, MAX_EXPIRED - count);
    count += rule_remarks::drop_expired(state, context, MAX_EXPIRED - count);
    count += state.requests.drop_expired(context.now, MAX_EXPIRED - count);
    Accepted { count: count as u64, ..Accepted::default() }
}

fn drop_instances(state: &mut FleetState, context: &mut Context<'_>, limit: usize) -> usize {
    let retain_ms = state.settings.retain_terminated_ms;
    let due: Vec<InstanceId> = state
        .instances
        .finished()
        .take_while(|(at, _)| at.plus_ms(retain_ms) <= context.now)
        .take(limit)
        .map(|(_, id)| id.clone())
        .collect();
    for id in &due {
        let Some(instance) = state.instances.get(id.as_str()).cloned() else {
            continue;
        };
        let event = Event::new(EventKind::InstanceDropped, Subject::Instance(id.as_str()))
            .reason("its retention is over")
            .change("state", instance.state, "");
        context.emit(event);
        state.instances.remove(id.as_str());
        if let Some(node_id) = &instance.node_id
            && let Some(node) = state.nodes.get(node_id.as_str())
            && node.instance_id.as_ref() == Some(id)
        {
            forget_node::remove(state, context, node_id.as_str(), "its instance was dropped");
        }
    }
    due.len()
}

fn drop_commands(state: &mut FleetState, context: &Context<'_>, limit: usize) -> usize {
    let due: Vec<CommandId> = state
        .commands
        .ends()
        .take_while(|(at, _)| at.plus_ms(RETAIN_COMMANDS_MS) <= context.now)
        .take(limit)
        .map(|(_, id)| id.clone())
        .collect();
    for id in &due {
        state.commands.remove(id.as_str());
    }
    due.len()
}

fn drop_backoffs(state: &mut FleetState, context: &Context<'_>, limit: usize) -> usize {
    let due: Vec<BackoffKey> = state
        .backoffs
        .iter()
        .filter(|(_, backoff)| backoff.forgotten_at() <= context.now)
        .take(limit)
        .map(|(key, _)| key.clone())
        .collect();
    for key in &due {
        state.backoffs.remove(key);
    }
    due.len()
}

fn drop_breakers(state: &mut FleetState, context: &Context<'_>, limit: usize) -> usize {
    let due: Vec<BreakerKey> = state
        .breakers
        .iter()
        .filter(|(_, breaker)| breaker.forgotten_at().is_some_and(|at| at <= context.now))
        .take(limit)
        .map(|(key, _)| key.clone())
        .collect();
    for key in &due {
        state.breakers.remove(key);
    }
    due.len()
}

fn drop_pool_metrics(state: &mut FleetState, context: &Context<'_>, limit: usize) -> usize {
    let is_due = |metrics: &PoolMetrics| metrics.next_expiry().is_some_and(|at| at <= context.now);
    let due: Vec<(PoolName, PoolMetrics)> = state
        .pool_metrics
        .iter()
        .filter(|(_, metrics)| is_due(metrics))
        .take(limit)
        .map(|(pool, metrics)| (pool.clone(), metrics.without_expired(context.now)))
        .collect();
    for (pool, left) in &due {
        if left.is_empty() {
            state.pool_metrics.remove(pool);
        } else {
            state.pool_metrics.insert(pool.clone(), *left);
        }
    }
    due.len()
}
