use navarch_proto::fleet::{AcceptDrain, Accepted};

use super::shared;
use crate::{
    event::{Context, EventKind},
    model::AdministrativeStep,
    outcome::Refusal,
    state::FleetState,
};

/// The workload system took notice of a drain and is at it.
pub(super) fn apply(
    proposal: &AcceptDrain,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    shared::check_revision(&format!("node {}", node.id), proposal.node_revision, node.revision)?;
    let next = shared::next_administrative(&node, AdministrativeStep::AcceptDrain)?;
    let reason = node.administrative_reason.clone();
    shared::set_administrative(
        state,
        context,
        &node,
        (next, &reason),
        EventKind::NodeDrainAccepted,
    );
    Ok(shared::accepted_node(state, node.id.as_str()))
}
