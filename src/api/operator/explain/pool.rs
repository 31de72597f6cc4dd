use navarch_fleet::{BreakerKey, Cooldown, FleetState, LogTime, Pool, PoolCounts};
use navarch_proto::{
    api::{ExplainResponse, Finding},
    fleet::{DecisionInputs, LastDecision, PoolSpec},
};
use tonic::Status;

use super::{breakers, finding, when};
use crate::{
    api::operator::get_pool::pool_info,
    scaling::{Autoscalers, from_inputs},
};

/// Why a pool has the size and the target that it has.
pub(super) fn explain(
    fleet: &FleetState,
    name: &str,
    autoscalers: &Autoscalers,
    now: LogTime,
) -> Result<ExplainResponse, Status> {
    let Some((pool, spec)) = fleet.pool(name).zip(fleet.pool_spec(name)) else {
        // The same words as for reading it.
        return pool_info(fleet, name).map(|_| ExplainResponse::default());
    };
    let counts = fleet.pool_counts(name);
    let mut findings = vec![finding("target", target(pool, now))];
    findings.extend(autoscaler(pool, autoscalers));
    findings.extend(gates(spec, pool, now));
    findings.extend(size(fleet, spec, pool, counts));
    findings.extend(backoffs(fleet, spec, now));
    findings.extend(breakers(fleet, breakers_of(fleet, name), now));
    if !pool.replacement_held.is_empty() {
        findings.push(finding("replacement", &*pool.replacement_held));
    }
    let decision = pool.decision.as_deref();
    Ok(ExplainResponse {
        summary: summary(fleet, spec, pool, now),
        findings,
        inputs: decision.and_then(|one| one.inputs.as_ref()).map(inputs).unwrap_or_default(),
        reproduced: decision.and_then(|one| reproduced(spec, one, autoscalers)),
        ..ExplainResponse::default()
    })
}

/// The fleet's breaker, the pool's, and those of its nodes' zones, as far as any has a record.
fn breakers_of(fleet: &FleetState, pool: &str) -> Vec<BreakerKey> {
    let mut keys = vec![BreakerKey::fleet(), BreakerKey::pool(pool)];
    if fleet.breakers().next().is_some() {
        let zones = fleet.nodes_in_pool(pool).map(|node| BreakerKey::zone(&node.zone_key()));
        keys.extend(zones.collect::<std::collections::BTreeSet<_>>());
    }
    keys
}

/// What weighs most, in one sentence.
fn summary(fleet: &FleetState, spec: &PoolSpec, pool: &Pool, now: LogTime) -> String {
    let counts = fleet.pool_counts(&spec.name);
    let (size, target) = (counts.size(), pool.target);
    let held = pool.hold_until.filter(|until| *until > now);
    let why = if spec.retiring {
        removal(fleet, pool, counts)
    } else if fleet.adoption().is_some() {
        "the fleet is in adopt mode: nothing is bought or given back".to_owned()
    } else if pool.paused {
        "an operator paused the pool".to_owned()
    } else if size < target && !pool.held_reason.is_empty() {
        format!("nothing is bought: {}", pool.held_reason)
    } else if size < target {
        format!("{} more are being ordered", target - size)
    } else if size > target {
        format!("{} are to be given back", size - target)
    } else if held.is_some() {
        format!("set by hand; {}", pool.reason)
    } else {
        pool.reason.to_string()
    };
    format!("size {size}, target {target} (within {} to {}): {why}", spec.min_nodes, spec.max_nodes)
}

/// What a pool that is on its way out waits for.
fn removal(fleet: &FleetState, pool: &Pool, counts: PoolCounts) -> String {
    let left = counts.occupancy();
    let waits = if fleet.adoption().is_some() {
        "while the fleet is in adopt mode nothing is given back"
    } else if pool.paused {
        "an operator paused it"
    } else if left == 0 {
        "it goes now"
    } else {
        "they are drained and given back first"
    };
    format!("it is being removed, {left} machines are left: {waits}")
}

fn target(pool: &Pool, now: LogTime) -> String {
    match &pool.decision {
        Some(last) if *pool.reason == *last.reason => {
            format!("{}: {} ({}, {})", pool.target, last.reason, last.cause, ago(last, now))
        }
        Some(last) => format!(
            "{}: {}; its strategy said {}: {} ({})",
            pool.target,
            pool.reason,
            ago(last, now),
            last.reason,
            last.cause
        ),
        None => format!("{}: {}", pool.target, pool.reason),
    }
}

fn ago(last: &LastDecision, now: LogTime) -> String {
    when(LogTime::from_ms(last.at_ms), now)
}

fn gates(spec: &PoolSpec, pool: &Pool, now: LogTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    if spec.retiring {
        let text = "no file has it any more; it takes part again if one that has it is applied";
        findings.push(finding("removal", text));
    }
    if pool.paused {
        findings.push(finding("paused", "`navarch pool resume` lets it go on"));
    }
    if let Some(until) = pool.hold_until.filter(|until| *until > now) {
        let text =
            format!("the strategy keeps off until {} ({})", until.to_timestamp(), when(until, now));
        findings.push(finding("set by hand", text));
    }
    findings.extend(cooldowns(pool.cooldown, now));
    findings
}

/// What still cools down: one finding, or one each way where they differ.
fn cooldowns(cooldown: Cooldown, now: LogTime) -> Vec<Finding> {
    let ways = if cooldown.is_common() {
        vec![("scaling", cooldown.up)]
    } else {
        vec![("scaling up", cooldown.up), ("scaling down", cooldown.down)]
    };
    let tell = |(way, until): (&str, Option<LogTime>)| {
        let until = until.filter(|until| *until > now)?;
        let at = until.to_timestamp();
        let text = format!("no {way} by load before {at} ({})", when(until, now));
        Some(finding("cooldown", text))
    };
    ways.into_iter().filter_map(tell).collect()
}

fn size(fleet: &FleetState, spec: &PoolSpec, pool: &Pool, counts: PoolCounts) -> Vec<Finding> {
    let mut text = format!(
        "{}: {} running, {} booting, {} on order",
        counts.size(),
        counts.running,
        counts.pending_registration,
        counts.provisioning
    );
    if counts.being_replaced > 0 {
        text += &format!("; {} of them count with their replacements", counts.being_replaced);
    }
    let mut findings = vec![finding("size", text)];
    let occupancy = counts.occupancy();
    let more = if occupancy >= spec.max_nodes { ", its maximum" } else { "" };
    let text = format!(
        "{occupancy} machines are not known to be gone{more} ({} terminating, {} failed with a machine)",
        counts.terminating, counts.failed_with_machine
    );
    findings.push(finding("occupancy", text));
    if !pool.held_reason.is_empty() {
        findings.push(finding("purchases", format!("held: {}", pool.held_reason)));
    }
    let unhealthy = fleet.nodes_wanting_attention().filter(|node| {
        node.pool.as_ref() == Some(&pool.name) && (node.health.latched || node.is_lost())
    });
    let unhealthy = unhealthy.count();
    if unhealthy > 0 {
        let all = fleet.node_count_in_pool(&spec.name);
        findings.push(finding("nodes", format!("{unhealthy} of {all} are unhealthy or lost")));
    }
    findings
}

/// Places of the pool that are left alone after refusals.
fn backoffs(fleet: &FleetState, spec: &PoolSpec, now: LogTime) -> Vec<Finding> {
    let of_pool = |name: &str| spec.providers.iter().any(|entry| entry.name == name);
    let open = fleet
        .backoffs()
        .filter(|(key, backoff)| of_pool(key.provider.as_str()) && backoff.until > now);
    open.map(|(key, backoff)| {
        let text = format!(
            "{} refused {} in {:?} {} times in a row; asked again {}",
            key.provider,
            key.instance_type,
            &*key.region,
            backoff.failures,
            when(backoff.until, now)
        );
        finding("capacity", text)
    })
    .collect()
}

/// Who decides, where that is not the configured strategy alone: an own autoscaler of some replica's program.
fn autoscaler(pool: &Pool, autoscalers: &Autoscalers) -> Option<Finding> {
    let here = autoscalers.own_name(pool.name.as_str());
    let last = pool.decision.as_ref().map(|last| Autoscalers::author(&last.reason));
    let text = match (here, last) {
        (None, None | Some(None)) => return None,
        (Some(here), Some(Some(last))) if here == last => format!("{here}, of this program"),
        (Some(here), None) => format!("{here}, of this program, which has decided nothing yet"),
        (Some(here), Some(None)) => {
            format!("{here} of this program; the last decision was the configured strategy's")
        }
        (here, Some(Some(last))) => format!(
            "{last} made the last decision, of the program that led then; this replica's program has {} for \
             the pool, so it is not made again here",
            here.unwrap_or("no autoscaler of its own")
        ),
    };
    Some(finding("autoscaler", text))
}

/// Whether whoever made the decision makes the same from the same figures; none: that was an autoscaler of
/// another program than this replica's.
fn reproduced(spec: &PoolSpec, last: &LastDecision, autoscalers: &Autoscalers) -> Option<bool> {
    let (view, gates) = from_inputs(last.inputs.as_ref()?);
    let again = match Autoscalers::author(&last.reason) {
        None => Autoscalers::default().plan(spec, &view, gates),
        author if author == autoscalers.own_name(&spec.name) => {
            autoscalers.plan(spec, &view, gates)
        }
        Some(_) => return None,
    };
    let target = view.limits.clamp(again.target);
    Some((target, again.cause.as_str()) == (last.target, last.cause.as_str()))
}

fn inputs(inputs: &DecisionInputs) -> Vec<Finding> {
    let figure = |value: Option<String>, origin: &str| {
        let value = value.unwrap_or_else(|| "none".to_owned());
        if origin.is_empty() { value } else { format!("{value} ({origin})") }
    };
    let percent = inputs.utilization.map(|value| format!("{value:.1} %"));
    let count = |value: Option<u32>| value.map(|value| value.to_string());
    let plain = [
        ("target", inputs.target),
        ("size", inputs.size),
        ("healthy", inputs.healthy),
        ("booting", inputs.booting),
        ("replacing", inputs.replacing),
        ("min_nodes", inputs.min_nodes),
        ("max_nodes", inputs.max_nodes),
    ];
    let mut all: Vec<_> =
        plain.map(|(name, value)| finding(name, value.to_string())).into_iter().collect();
    all.push(finding("utilization", figure(percent, &inputs.utilization_origin)));
    all.push(finding("samples", inputs.history.len().to_string()));
    let pending = figure(count(inputs.pending_jobs), &inputs.pending_jobs_origin);
    all.push(finding("pending_jobs", pending));
    let queue = figure(count(inputs.queue_depth), &inputs.queue_depth_origin);
    all.push(finding("queue_depth", queue));
    let delay_s = inputs.provisioning_delay_ms / 1_000;
    all.push(finding("provisioning_delay", format!("{delay_s} s")));
    all
}

#[cfg(test)]
#[path = "pool_test.rs"]
mod tests;
