use navarch_proto::{
    api::NodeCommandType,
    fleet::{Accepted, CordonNode},
};

use super::shared;
use crate::{
    event::{Context, EventKind},
    model::AdministrativeStep,
    outcome::Refusal,
    state::FleetState,
};

/// Keeps new work off a node. Again: only the reason changes.
pub(super) fn apply(
    proposal: CordonNode,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    let next = shared::next_administrative(&node, AdministrativeStep::Cordon)?;
    let issued = (proposal.command_id.as_str(), NodeCommandType::Cordon, proposal.parameters);
    let command = shared::completed_command(state, context, &node, issued)?;
    let reason = proposal.reason.as_str();
    shared::set_administrative(state, context, &node, (next, reason), EventKind::NodeCordoned);
    let accepted = shared::accepted_node(state, node.id.as_str());
    Ok(shared::record_completed(state, command, accepted))
}
