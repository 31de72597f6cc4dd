use navarch_fleet::{Administrative, BreakerKey, FleetState, Liveness, LogTime, Node};
use navarch_proto::api::{DecidingEvent, ExplainResponse, Finding};
use tonic::Status;

use super::{breakers, finding, when};
use crate::api::call::unknown_node;

/// Why a node has the status that it has.
pub(super) fn explain(
    fleet: &FleetState,
    id: &str,
    now: LogTime,
) -> Result<ExplainResponse, Status> {
    let node = fleet.node(id).ok_or_else(|| unknown_node(id))?;
    let status = word(node.status().as_str_name(), "NODE_STATUS_");
    let why = match node.reason() {
        "" => "nothing is wrong with it",
        reason => reason,
    };
    let mut findings = vec![
        finding("administrative", administrative(node, now)),
        finding("health", health(fleet, node, now)),
        finding("liveness", liveness(fleet, node, now)),
    ];
    findings.extend(node.health.event.as_deref().map(|event| finding("event", decided_on(event))));
    findings.extend(node.health.also.iter().map(|also| {
        let at = when(also.at, now);
        finding("also unhealthy", format!("by {} {at}: {}", also.rule, also.reason))
    }));
    findings.extend(history(fleet, node, now));
    let pool = node.pool.as_ref().map_or("", |pool| pool.as_str());
    let keys = [BreakerKey::fleet(), BreakerKey::pool(pool), BreakerKey::zone(&node.zone_key())];
    findings.extend(breakers(fleet, keys, now));
    findings.extend(instance(fleet, node));
    let summary = format!("{status}: {why}");
    Ok(ExplainResponse { summary, findings, ..ExplainResponse::default() })
}

fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

fn administrative(node: &Node, now: LogTime) -> String {
    let reason = match &*node.administrative_reason {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let more = match node.administrative {
        Administrative::Draining(drain) if drain.drained => ", drained".to_owned(),
        Administrative::Draining(drain) => drain.deadline.map_or_else(String::new, |deadline| {
            format!(", not drained yet, the deadline is {}", when(deadline, now))
        }),
        Administrative::Active | Administrative::Cordoned | Administrative::Terminated => {
            String::new()
        }
    };
    format!("{}{more}{reason}", node.administrative)
}

fn health(fleet: &FleetState, node: &Node, now: LogTime) -> String {
    let health = &node.health;
    let mut text = word(health.verdict.as_str_name(), "HEALTH_STATUS_");
    if !health.rule.is_empty() {
        text += &format!(" by {}", health.rule);
    }
    if !health.reason.is_empty() {
        text += &format!(": {}", health.reason);
    }
    if !health.latched {
        return text;
    }
    text +=
        &format!("; stands until an operator uncordons it, {} reports", health.unhealthy_reports);
    let spec = node.pool.as_ref().and_then(|pool| fleet.pool_spec(pool.as_str()));
    text += &match spec {
        Some(spec) if spec.auto_replace => format!(" of {} to be replaced", spec.unhealthy_after),
        Some(_) | None => "; nobody replaces it".to_owned(),
    };
    if let Some(at) = health.unhealthy_event_at {
        text += &format!(", the first unhealthy event {}", when(at, now));
    }
    text
}

/// The event that decided on its health.
fn decided_on(event: &DecidingEvent) -> String {
    let mut text = word(event.event_type().as_str_name(), "HEALTH_EVENT_TYPE_");
    if event.code > 0 {
        text += &format!(" {}", event.code);
    }
    text += &format!(" of GPU {}", event.gpu_index);
    if !event.gpu_uuid.is_empty() {
        text += &format!(" ({})", event.gpu_uuid);
    }
    if let Some(at) = event.reported_at {
        text += &format!(", reported {at}");
    }
    if let Some(at) = event.timestamp {
        text += &format!(", at {at} by the node's clock");
    }
    if !event.message.is_empty() {
        text += &format!(": {}", event.message);
    }
    text
}

/// What rules over a window see of it.
fn history(fleet: &FleetState, node: &Node, now: LogTime) -> Option<Finding> {
    let history = fleet.history(node.id.as_str())?;
    let last = history.events().last()?;
    let count = history.events().len();
    Some(finding(
        "history",
        format!("{count} health events remembered, the last {}", when(last.at, now)),
    ))
}

fn liveness(fleet: &FleetState, node: &Node, now: LogTime) -> String {
    let seen = fleet.last_seen(node.number).map(|seen| when(seen.at, now));
    let seen = seen.map_or("never heard".to_owned(), |ago| format!("in the log last heard {ago}"));
    match &node.liveness {
        Liveness::Beating => format!("beating; {seen}"),
        Liveness::Lost(loss) => format!("lost {}: {}; {seen}", when(loss.at, now), loss.reason),
    }
}

fn instance(fleet: &FleetState, node: &Node) -> Vec<Finding> {
    let Some(id) = &node.instance_id else {
        let text = "none: a machine that somebody else rents, which is never given back";
        return vec![finding("instance", text)];
    };
    let Some(instance) = fleet.instance(id.as_str()) else { return Vec::new() };
    let text = format!("{id} of pool {}, {}", instance.pool, instance.state);
    let mut findings = vec![finding("instance", text)];
    if let Some(by) = instance.replaced_by.as_ref().filter(|_| instance.is_being_replaced()) {
        findings.push(finding("replacement", format!("{by} takes its place once it runs")));
    }
    findings
}
