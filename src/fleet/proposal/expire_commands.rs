use navarch_proto::fleet::Accepted;

use super::shared;
use crate::{
    event::Context, ids::CommandId, limits::MAX_EXPIRED, model::CommandStep, state::FleetState,
};

/// Ends the commands whose deadline has passed, the oldest first, at most [`MAX_EXPIRED`] of them.
pub(super) fn apply(state: &mut FleetState, context: &mut Context<'_>) -> Accepted {
    let due: Vec<CommandId> = state
        .commands
        .deadlines()
        .take_while(|(deadline, _)| *deadline <= context.now)
        .take(MAX_EXPIRED)
        .map(|(_, id)| id.clone())
        .collect();
    for id in &due {
        let Some(command) = state.commands.get(id.as_str()) else {
            continue;
        };
        let after = command.state.next(CommandStep::Expire);
        let error = "its deadline passed without an acknowledgement";
        shared::finish_command(state, context, id, (after, "", error));
    }
    Accepted { count: due.len() as u64, ..Accepted::default() }
}
