use navarch_host::planted::{self, Bug};
use navarch_proto::{
    api::{HeartbeatRequest, HeartbeatResponse},
    fleet::{ClearLost, proposal::Kind},
    timestamp::to_unix_ms,
};
use tonic::Status;

use super::agent_author;
use crate::{
    api::call::{Answer, Call, register_after, require_node_id},
    liveness::interval_hint_ms,
};

/// Remembers that the node is alive. Nothing enters the log, unless the node was lost.
pub(in crate::api) async fn heartbeat(
    call: Call,
    request: HeartbeatRequest,
) -> Result<Answer<HeartbeatResponse>, Status> {
    require_node_id(&request.node_id)?;
    let view = call.api.ledger.view();
    let Some(node) = view.fleet.node(&request.node_id) else {
        // New agents register when they are told so; those that never do should be seen.
        if view.fleet.adoption().is_some() {
            call.api.liveness.beat_unknown(&request.node_id);
        }
        let rate = view.fleet.settings().max_registrations_per_second;
        let wait = call.api.register_pace.turn(&request.node_id, call.api.clock().now(), rate);
        return Err(register_after(&request.node_id, wait));
    };
    let now_ms = match &request.timestamp {
        Some(own) if planted::is(Bug::NodeClockExpiry) => to_unix_ms(own),
        _ => call.api.ledger.log_time_ms(),
    };
    let hint_ms = interval_hint_ms(view.fleet.settings(), view.fleet.node_count());
    call.api.liveness.beat(node.number, now_ms, request.metrics.as_ref(), hint_ms);
    let mut index = view.index;
    if node.is_lost() {
        let author = agent_author(&request.node_id);
        let clear = ClearLost { node_id: request.node_id, seen_ms: now_ms };
        index = call.propose(Kind::ClearLost(clear), &author).await?.index;
    }
    let message = HeartbeatResponse { acknowledged: true, next_interval_ms: hint_ms };
    Ok(Answer { message, index })
}
