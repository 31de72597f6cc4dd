use navarch_proto::{
    api::NodeCommandType,
    fleet::{Accepted, UncordonNode},
};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    limits::MAX_REASON_BYTES,
    model::{Administrative, AdministrativeStep, Health, Node, verdict_word},
    outcome::Refusal,
    state::FleetState,
    text::stored,
};

/// Has a node take work again: lifts a cordon, cancels a drain, and clears a latched unhealthy verdict unless that is to
/// stay.
pub(super) fn apply(
    proposal: UncordonNode,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    let clears = node.health.latched && !proposal.keep_verdict;
    let next = match shared::next_administrative(&node, AdministrativeStep::Uncordon) {
        Ok(next) => next,
        Err(_) if clears && node.administrative == Administrative::Active => Administrative::Active,
        Err(refusal) => return Err(refusal),
    };
    let issued = (proposal.command_id.as_str(), NodeCommandType::Uncordon, proposal.parameters);
    let command = shared::completed_command(state, context, &node, issued)?;
    uncordon(state, context, &node, (next, &proposal.reason, clears));
    let accepted = shared::accepted_node(state, node.id.as_str());
    Ok(shared::record_completed(state, command, accepted))
}

fn uncordon(
    state: &mut FleetState,
    context: &mut Context<'_>,
    node: &Node,
    (administrative, reason, clears): (Administrative, &str, bool),
) {
    state.nodes.update(node.id.as_str(), |record| {
        record.administrative = administrative;
        record.administrative_reason = stored(reason, MAX_REASON_BYTES);
        if clears {
            record.health = Health::cleared();
        }
    });
    let mut event = Event::new(EventKind::NodeUncordoned, Subject::Node(node.id.as_str()))
        .reason(reason)
        .change("administrative", node.administrative, administrative);
    if clears {
        event = event
            .change("health", verdict_word(node.health.verdict), "unknown")
            .change("latched", node.health.latched, false)
            .change("rule", &node.health.rule, "")
            .change("also", node.health.also_line(), "");
    }
    context.emit(shared::with_status_change(event, state, node));
}
