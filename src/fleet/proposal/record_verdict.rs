use std::sync::Arc;

use navarch_proto::{
    api::HealthStatus,
    fleet::{Accepted, RecordVerdict},
};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    model::{Report, verdict_word},
    outcome::Refusal,
    state::FleetState,
};

/// Records what a health report was judged to mean. A verdict by another policy than the present one, or on
/// another incarnation of the node, is stale. A retry of the report that last changed the health changes nothing.
pub(super) fn apply(
    proposal: &RecordVerdict,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    if !proposal.request_id.is_empty() && *node.last_report_id == *proposal.request_id {
        return Ok(shared::accepted_node(state, node.id.as_str()));
    }
    crate::ids::check_text("request id", &proposal.request_id).map_err(Refusal::from)?;
    let report = Report {
        checks: verdict(proposal.checks)?,
        events: verdict(proposal.events)?,
        verdict: verdict(proposal.verdict)?,
        rule: &proposal.rule,
        reason: &proposal.reason,
    };
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
    let health = node.health.after(report, context.now);
    if health != node.health {
        let event = Event::new(EventKind::NodeHealthChanged, Subject::Node(node.id.as_str()))
            .reason(&health.reason)
            .change("health", verdict_word(node.health.verdict), verdict_word(health.verdict))
            .change("latched", node.health.latched, health.latched);
        let rule = (node.health.rule.clone(), health.rule.clone());
        let report_id = Arc::from(proposal.request_id.as_str());
        state.nodes.update(node.id.as_str(), |record| {
            record.health = health;
            record.last_report_id = report_id;
        });
        let event = shared::with_status_change(event, state, &node);
        // One more report of the same is no news.
        if event.has_changes() {
            context.emit(event.change("rule", rule.0, rule.1));
        }
    }
    Ok(shared::accepted_node(state, node.id.as_str()))
}

fn verdict(value: i32) -> Result<HealthStatus, Refusal> {
    HealthStatus::try_from(value)
        .map_err(|_| Refusal::invalid(format!("{value} is no health status; give one of 0 to 3")))
}
