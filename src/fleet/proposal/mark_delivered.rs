use navarch_proto::fleet::{Accepted, MarkDelivered};

use super::shared;
use crate::{
    event::{Context, EventKind},
    limits::MAX_OPEN_COMMANDS,
    model::CommandStep,
    outcome::Refusal,
    state::FleetState,
};

/// Notes that commands were handed to an agent that will acknowledge them. Those that ended meanwhile, or
/// are not the node's, are passed over.
pub(super) fn apply(
    proposal: &MarkDelivered,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    if proposal.command_ids.len() > MAX_OPEN_COMMANDS {
        return Err(Refusal::invalid(format!(
            "{} commands are named; a node has at most {MAX_OPEN_COMMANDS} open ones",
            proposal.command_ids.len()
        )));
    }
    let mut count = 0;
    for id in &proposal.command_ids {
        let Some(command) = state.commands.get(id).cloned() else {
            continue;
        };
        let after = command.state.next(CommandStep::Deliver);
        if command.node_id != node.id || after == command.state {
            continue;
        }
        state.commands.update(id, |record| record.state = after);
        context.emit(shared::command_event(EventKind::CommandDelivered, &command, after));
        count += 1;
    }
    Ok(Accepted { count, ..Accepted::default() })
}
