use std::sync::Arc;

use navarch_proto::fleet::{Accepted, HandOutCommands};

use super::shared;
use crate::{
    event::Context,
    model::{CommandStep, NodeCommand},
    outcome::Refusal,
    state::FleetState,
};

/// Hands all open commands to an agent of the old kind, which never acknowledges: they count as done.
pub(super) fn apply(
    proposal: &HandOutCommands,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    let open: Vec<Arc<NodeCommand>> = state.commands.open(node.id.as_str()).cloned().collect();
    for command in &open {
        let after = command.state.next(CommandStep::HandOut);
        let output = "handed to an agent that does not acknowledge";
        shared::finish_command(state, context, &command.id, (after, output, ""));
    }
    Ok(Accepted {
        count: open.len() as u64,
        commands: open.iter().map(|command| command.to_message()).collect(),
        ..Accepted::default()
    })
}
