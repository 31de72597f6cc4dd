use navarch_proto::fleet::{Accepted, RefuseDrain};

use super::shared;
use crate::{
    event::{Context, EventKind},
    model::AdministrativeStep,
    outcome::Refusal,
    state::FleetState,
};

/// The workload system refuses a drain: the node returns to what it was, unless somebody moved it since.
pub(super) fn apply(
    proposal: &RefuseDrain,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    shared::check_revision(&format!("node {}", node.id), proposal.node_revision, node.revision)?;
    let next = shared::next_administrative(&node, AdministrativeStep::RefuseDrain)?;
    let reason = proposal.reason.as_str();
    shared::set_administrative(state, context, &node, (next, reason), EventKind::NodeDrainRefused);
    Ok(shared::accepted_node(state, node.id.as_str()))
}
