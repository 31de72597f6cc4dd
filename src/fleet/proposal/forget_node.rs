use navarch_proto::fleet::{Accepted, ForgetNode};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    model::status_word,
    outcome::Refusal,
    state::FleetState,
};

/// Removes the record of a standalone or terminated node, with its commands.
pub(super) fn apply(
    proposal: &ForgetNode,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    if let Some(instance) = &node.instance_id
        && !node.is_gone()
    {
        return Err(Refusal::precondition(format!(
            "node {} runs on instance {instance}; terminate that instead of forgetting the node",
            node.id
        )));
    }
    remove(state, context, node.id.as_str(), "forgotten");
    Ok(Accepted::default())
}

/// Removes a node's record and commands, and tells of it.
pub(super) fn remove(state: &mut FleetState, context: &mut Context<'_>, id: &str, reason: &str) {
    let Some(node) = state.nodes.get(id).cloned() else {
        return;
    };
    state.nodes.remove(id);
    state.histories.remove(id);
    state.commands.remove_node(id);
    let event = Event::new(EventKind::NodeForgotten, Subject::Node(id)).reason(reason).change(
        "status",
        status_word(node.status()),
        "",
    );
    context.emit(event);
}
