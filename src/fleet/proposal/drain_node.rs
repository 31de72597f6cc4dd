use navarch_proto::{
    api::NodeCommandType,
    fleet::{Accepted, DrainNode},
};

use super::shared;
use crate::{
    event::{Context, EventKind},
    model::AdministrativeStep,
    outcome::Refusal,
    state::FleetState,
    time::LogTime,
};

/// Has a node give its work away; the notice to the workload system is pending. Again: deadline and reason
/// change.
pub(super) fn apply(
    proposal: DrainNode,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    let deadline = LogTime::optional(proposal.deadline_ms);
    let for_verdict = proposal.for_verdict;
    if for_verdict && !node.health.latched {
        return Err(Refusal::stale(format!(
            "node {} was to be drained for an unhealthy verdict, and none stands any more",
            node.id
        )));
    }
    let next =
        shared::next_administrative(&node, AdministrativeStep::Drain { deadline, for_verdict })?;
    let issued = (proposal.command_id.as_str(), NodeCommandType::Drain, proposal.parameters);
    let command = shared::completed_command(state, context, &node, issued)?;
    let reason = proposal.reason.as_str();
    shared::set_administrative(state, context, &node, (next, reason), EventKind::NodeDraining);
    let accepted = shared::accepted_node(state, node.id.as_str());
    Ok(shared::record_completed(state, command, accepted))
}
