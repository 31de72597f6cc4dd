use std::time::Duration;

use navarch_fleet::CommandState;
use navarch_proto::api::{PollCommandsRequest, PollCommandsResponse};
use tonic::Status;

use crate::{
    api::call::{Answer, Call, require_node_id, unknown_node},
    ledger::View,
};

/// Longest wait for work.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// An empty answer leaves this long before the caller stops waiting, or a tenth of its time.
const MARGIN: Duration = Duration::from_millis(500);

/// Delivers what is not yet acknowledged, waiting for work until shortly before the caller's deadline.
pub(in crate::api) async fn poll_commands(
    call: Call,
    request: PollCommandsRequest,
) -> Result<Answer<PollCommandsResponse>, Status> {
    require_node_id(&request.node_id)?;
    let clock = call.api.clock().clone();
    let patience = call.context.deadline.since(clock.now());
    let patience = patience.saturating_sub(MARGIN.min(patience / 10)).min(LONGEST_WAIT);
    let until = clock.now() + patience;
    // This replica may be behind: it must not deny a node, or a command, that was acknowledged elsewhere.
    call.view().await?;
    let waiter = call.api.waiters.enter(&request.node_id);
    loop {
        // Registered before the look, so that no command falls in between.
        let mut woken = std::pin::pin!(waiter.woken());
        woken.as_mut().enable();
        let view = call.api.ledger.view();
        let answer = answer(&view, &request.node_id)?;
        if !answer.message.commands.is_empty() {
            let queued = view.fleet.open_commands_of(&request.node_id);
            let queued = queued.filter(|command| command.state == CommandState::Queued);
            call.api.deliveries.note(&request.node_id, queued.map(|command| &command.id));
            return Ok(answer);
        }
        tokio::select! {
            () = woken => {}
            () = clock.sleep_until(until) => return Ok(answer),
            () = call.api.closing.cancelled() => return Ok(answer),
        }
    }
}

fn answer(view: &View, node_id: &str) -> Result<Answer<PollCommandsResponse>, Status> {
    if view.fleet.node(node_id).is_none() {
        return Err(unknown_node(node_id));
    }
    let commands =
        view.fleet.open_commands_of(node_id).map(|command| command.to_message()).collect();
    Ok(Answer { message: PollCommandsResponse { commands }, index: view.index })
}
