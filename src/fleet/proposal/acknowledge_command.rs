use navarch_proto::{
    api::CommandResult,
    fleet::{Accepted, AcknowledgeCommand},
};

use crate::{
    event::Context,
    ids::{CommandId, NodeId},
    model::CommandStep,
    outcome::Refusal,
    state::FleetState,
};

use super::shared;

/// Records how a command ended on its node. The first end is the end: a late or repeated acknowledgement
/// is accepted, so that the agent stops repeating it, and changes nothing.
pub(super) fn apply(
    proposal: &AcknowledgeCommand,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node_id = NodeId::new(&proposal.node_id)?;
    let id = CommandId::new(&proposal.command_id)?;
    let step = match CommandResult::try_from(proposal.result) {
        Ok(CommandResult::Succeeded) => CommandStep::Succeed,
        Ok(CommandResult::Failed) => CommandStep::Fail,
        Ok(CommandResult::Unknown) | Err(_) => {
            return Err(Refusal::invalid(format!(
                "{} is no command result; give succeeded or failed",
                proposal.result
            )));
        }
    };
    let command = state
        .commands
        .get(id.as_str())
        .filter(|command| command.node_id == node_id)
        .cloned()
        .ok_or_else(|| {
            Refusal::not_found(format!(
                "node {node_id} has no command {id}: it is another node's, was never issued, or ended so long \
                 ago that it was dropped; do not acknowledge it again"
            ))
        })?;
    let after = command.state.next(step);
    if after != command.state {
        shared::finish_command(state, context, &id, (after, &proposal.output, &proposal.error));
    }
    Ok(Accepted { command_id: id.to_string(), ..Accepted::default() })
}
