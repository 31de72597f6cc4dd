use navarch_proto::fleet::{Accepted, FinishDrain};

use super::shared;
use crate::{
    event::{Context, EventKind},
    model::AdministrativeStep,
    outcome::Refusal,
    state::FleetState,
};

/// A drain is over: the workload system said so, or the deadline passed. The node stays out of work until
/// it is uncordoned or its machine goes.
pub(super) fn apply(
    proposal: &FinishDrain,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    shared::check_revision(&format!("node {}", node.id), proposal.node_revision, node.revision)?;
    let next = shared::next_administrative(&node, AdministrativeStep::FinishDrain)?;
    let reason = proposal.reason.as_str();
    shared::set_administrative(state, context, &node, (next, reason), EventKind::NodeDrained);
    Ok(shared::accepted_node(state, node.id.as_str()))
}
