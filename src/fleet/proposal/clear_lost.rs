use navarch_proto::fleet::{Accepted, ClearLost};

use super::{keep_instance, shared};
use crate::{
    event::{Context, Event, EventKind, Subject},
    model::{LastSeen, Liveness},
    outcome::Refusal,
    state::FleetState,
    time::{LogTime, ms_or_zero},
};

/// A lost node beats again. Only a heartbeat after the one that was known at the loss shows that.
pub(super) fn apply(
    proposal: &ClearLost,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let node = shared::node(state, &proposal.node_id)?;
    let Liveness::Lost(loss) = &node.liveness else {
        return Ok(shared::accepted_node(state, node.id.as_str()));
    };
    if proposal.seen_ms <= ms_or_zero(loss.last_seen) {
        return Err(Refusal::stale(format!(
            "node {} was seen at {} ms, which its loss already took into account",
            node.id, proposal.seen_ms
        )));
    }
    let at = LogTime::from_ms(proposal.seen_ms).min(context.now);
    state.nodes.see(node.number, LastSeen { at, utilization: None });
    state.nodes.update(node.id.as_str(), |record| record.liveness = Liveness::Beating);
    let event = Event::new(EventKind::NodeFound, Subject::Node(node.id.as_str()))
        .reason("a heartbeat came")
        .change("liveness", "lost", "beating");
    context.emit(shared::with_status_change(event, state, &node));
    // If a verdict stands for long enough, another one is ordered.
    let instance = node.instance_id.as_ref().and_then(|id| state.instances.get(id.as_str()));
    if let Some(instance) = instance.filter(|one| one.is_being_replaced()).cloned() {
        keep_instance::call_off(state, context, &instance, "its node is heard from again");
    }
    Ok(shared::accepted_node(state, node.id.as_str()))
}
