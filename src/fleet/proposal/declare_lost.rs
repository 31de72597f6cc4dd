use std::sync::Arc;

use navarch_proto::fleet::{Accepted, DeclareLost};

use super::{breaker_changes, shared};
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::Revision,
    limits::MAX_REASON_BYTES,
    model::{Liveness, Loss},
    outcome::Refusal,
    state::FleetState,
    text::stored,
    time::{LogTime, ms_or_zero},
};

/// Declares a silent node lost, unless it was heard from or changed since the leader looked.
pub(super) fn apply(
    proposal: &DeclareLost,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    if node.is_lost() {
        return Ok(shared::accepted_node(state, node.id.as_str()));
    }
    if Revision(proposal.node_revision) != node.revision {
        return Err(Refusal::stale(format!(
            "node {} is at revision {}, and the proposal saw {}; look again",
            node.id, node.revision, proposal.node_revision
        )));
    }
    let last_seen = state.nodes.last_seen(node.number).map(|seen| seen.at);
    if LogTime::from_ms(proposal.last_seen_ms).as_ms() != ms_or_zero(last_seen) {
        return Err(Refusal::stale(format!(
            "node {} was last seen at {} ms, and the proposal saw {} ms; look again",
            node.id,
            ms_or_zero(last_seen),
            proposal.last_seen_ms
        )));
    }
    if node.is_gone() {
        return Err(Refusal::precondition(format!("node {} is terminated", node.id)));
    }
    // It may have opened after the leader looked.
    breaker_changes::check_node(state, &node, context.now)?;
    let reason: Arc<str> = stored(&proposal.reason, MAX_REASON_BYTES);
    let loss = Loss { at: context.now, last_seen, reason: reason.clone() };
    state.nodes.update(node.id.as_str(), |record| record.liveness = Liveness::Lost(loss));
    let event = Event::new(EventKind::NodeLost, Subject::Node(node.id.as_str()))
        .reason(&reason)
        .change("liveness", "beating", "lost");
    context.emit(shared::with_status_change(event, state, &node));
    Ok(shared::accepted_node(state, node.id.as_str()))
}
