use std::sync::Arc;

use navarch_proto::{
    api::{HealthEventType, HealthStatus},
    fleet::{Accepted, RecordVerdict, ReportedEvent},
};

use super::{rule_remarks, shared};
use crate::{
    event::{Context, Event, EventKind, Subject},
    limits::MAX_REPORTED_EVENTS,
    model::{Health, Node, RememberedEvent, Report, verdict_word},
    outcome::Refusal,
    state::FleetState,
    time::LogTime,
};

/// Records what a health report was judged to mean, and its events in the node's history. A verdict by another policy
/// than the present one, on another incarnation of the node, or by rules that saw another history, is stale. A retry of
/// a report that changed the health changes nothing, for as long as retries are remembered. One that changed nothing is judged
/// again as it comes: the next report corrects what it says.
pub(super) fn apply(
    proposal: &RecordVerdict,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    if has_counted(&node, &proposal.request_id, context.now) {
        return Ok(shared::accepted_node(state, node.id.as_str()));
    }
    crate::ids::check_text("request id", &proposal.request_id).map_err(Refusal::from)?;
    let report = Report {
        checks: verdict(proposal.checks)?,
        events: verdict(proposal.events)?,
        verdict: verdict(proposal.verdict)?,
        rule: &proposal.rule,
        reason: &proposal.reason,
        event: proposal.deciding_event.as_ref(),
        also: &proposal.also_found,
    };
    let reported = reported(&proposal.reported_events, context.now)?;
    rule_remarks::check(&proposal.remarks)?;
    check_fresh(proposal, state, &node)?;
    if !reported.is_empty() {
        state.histories.remember(&node.id, context.index, reported.into_iter());
    }
    let health = node.health.after(report, context.now);
    if health != node.health {
        let event = Event::new(EventKind::NodeHealthChanged, Subject::Node(node.id.as_str()))
            .reason(reason_of_change(&node.health, &health))
            .change("health", verdict_word(node.health.verdict), verdict_word(health.verdict))
            .change("latched", node.health.latched, health.latched)
            .change("also", node.health.also_line(), health.also_line());
        let rule = (node.health.rule.clone(), health.rule.clone());
        let report_id = Arc::from(proposal.request_id.as_str());
        let earlier = node.earlier_reports.and(&node.last_report_id, context.now);
        state.nodes.update(node.id.as_str(), |record| {
            record.health = health;
            record.last_report_id = report_id;
            record.earlier_reports = earlier;
        });
        let event = shared::with_status_change(event, state, &node);
        // One more report of the same is no news.
        if event.has_changes() {
            context.emit(event.change("rule", rule.0, rule.1));
        }
    }
    rule_remarks::make(state, context, &node, &proposal.remarks);
    Ok(shared::accepted_node(state, node.id.as_str()))
}

/// Whether the health was changed by a report of that request.
fn has_counted(node: &Node, request_id: &str, now: LogTime) -> bool {
    !request_id.is_empty()
        && (*node.last_report_id == *request_id || node.earlier_reports.has(request_id, now))
}

/// Of what was found now, beside what a verdict stood by before, or else of what it stands by.
fn reason_of_change<'a>(before: &Health, after: &'a Health) -> &'a Arc<str> {
    let found = before.latched && after.also.len() > before.also.len();
    let beside = after.also.last().filter(|_| found);
    beside.map_or(&after.reason, |finding| &finding.reason)
}

/// That the judge saw what there is.
fn check_fresh(proposal: &RecordVerdict, state: &FleetState, node: &Node) -> Result<(), Refusal> {
    if proposal.policy_revision != state.policy_revision {
        return Err(Refusal::stale(format!(
            "the verdict on node {} is by policy revision {}, and the present one is {}; judge again",
            node.id, proposal.policy_revision, state.policy_revision
        )));
    }
    if proposal.node_incarnation != node.incarnation {
        return Err(Refusal::stale(format!(
            "the verdict is on incarnation {} of node {}, and the present one is {}; judge again",
            proposal.node_incarnation, node.id, node.incarnation
        )));
    }
    let revision = state.history(node.id.as_str()).map_or(0, |history| history.revision);
    match proposal.history_revision {
        Some(seen) if seen != revision => Err(Refusal::stale(format!(
            "the verdict on node {} is by revision {seen} of its history, and the present one is {revision}; judge \
             again",
            node.id
        ))),
        Some(_) | None => Ok(()),
    }
}

fn verdict(value: i32) -> Result<HealthStatus, Refusal> {
    HealthStatus::try_from(value)
        .map_err(|_| Refusal::invalid(format!("{value} is no health status; give one of 0 to 3")))
}

/// The events as the history keeps them, at the entry's time whatever the agent's clock says.
fn reported(events: &[ReportedEvent], now: LogTime) -> Result<Vec<RememberedEvent>, Refusal> {
    if events.len() > MAX_REPORTED_EVENTS {
        return Err(Refusal::invalid(format!(
            "{} events with one verdict; the limit is {MAX_REPORTED_EVENTS}",
            events.len()
        )));
    }
    let remembered = |event: &ReportedEvent| match HealthEventType::try_from(event.kind) {
        Ok(HealthEventType::Unknown) | Err(_) => Err(Refusal::invalid(format!(
            "{} is no type of health event; give one of 1 to 9",
            event.kind
        ))),
        Ok(kind) => Ok(RememberedEvent {
            at: now,
            identity: event.identity,
            kind,
            code: event.code,
            gpu_index: event.gpu_index,
        }),
    };
    events.iter().map(remembered).collect()
}
