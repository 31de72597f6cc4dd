use std::sync::Arc;

use navarch_proto::{
    api::NodeCommandType,
    fleet::{Accepted, QueueCommand},
};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    limits::{DEFAULT_COMMAND_DEADLINE_MS, MAX_OPEN_COMMANDS},
    model::{CommandState, Node, NodeCommand, type_word},
    outcome::Refusal,
    state::FleetState,
    time::LogTime,
};

/// Queues an order for a node's agent.
pub(super) fn apply(
    proposal: QueueCommand,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    let command_type = agent_type(proposal.r#type)?;
    let id = state.unused_command_id(&proposal.command_id)?;
    shared::check_parameters(&proposal.parameters)?;
    check_node(state, &node)?;
    let deadline = LogTime::optional(proposal.deadline_ms)
        .unwrap_or_else(|| context.now.plus_ms(DEFAULT_COMMAND_DEADLINE_MS));
    if deadline <= context.now {
        return Err(Refusal::invalid(format!(
            "the deadline of command {id}, {deadline}, is not after {}; give a later one",
            context.now
        )));
    }
    let actor = state.texts.share(context.actor);
    let command_id = id.to_string();
    let event = Event::new(EventKind::CommandQueued, Subject::Node(node.id.as_str()))
        .reason(&format!("command {id} ({})", type_word(command_type)))
        .change("command", "", CommandState::Queued);
    context.emit(event);
    state.commands.insert(NodeCommand {
        id,
        node_id: node.id.clone(),
        command_type,
        parameters: proposal.parameters,
        state: CommandState::Queued,
        issued_at: context.now,
        finished_at: None,
        deadline,
        output: Arc::default(),
        error: Arc::default(),
        actor,
        sequence: context.index,
    });
    Ok(Accepted { command_id, ..Accepted::default() })
}

/// The types that an agent carries out.
fn agent_type(value: i32) -> Result<NodeCommandType, Refusal> {
    match NodeCommandType::try_from(value) {
        Ok(command_type @ (NodeCommandType::RunDiagnostic | NodeCommandType::Terminate)) => {
            Ok(command_type)
        }
        Ok(
            command_type @ (NodeCommandType::Cordon
            | NodeCommandType::Drain
            | NodeCommandType::Uncordon),
        ) => Err(Refusal::invalid(format!(
            "{} is carried out by the control plane, never handed to an agent",
            type_word(command_type)
        ))),
        Ok(NodeCommandType::Unknown) | Err(_) => {
            Err(Refusal::invalid(format!("{value} is no command type; name one")))
        }
    }
}

fn check_node(state: &FleetState, node: &Node) -> Result<(), Refusal> {
    if node.is_gone() {
        return Err(Refusal::precondition(format!("node {} is terminated", node.id)));
    }
    if state.commands.count_open(node.id.as_str()) >= MAX_OPEN_COMMANDS {
        return Err(Refusal::exhausted(format!(
            "{MAX_OPEN_COMMANDS} commands wait for node {}, which is the limit; see whether its \
             agent runs",
            node.id
        )));
    }
    Ok(())
}
