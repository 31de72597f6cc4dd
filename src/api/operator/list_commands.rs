use navarch_proto::api::{ListCommandsRequest, ListCommandsResponse};
use tonic::Status;

use crate::api::call::{Answer, Call, require_node_id, unknown_node};

/// Lists a node's commands, oldest first.
pub(in crate::api) async fn list_commands(
    call: Call,
    request: ListCommandsRequest,
) -> Result<Answer<ListCommandsResponse>, Status> {
    require_node_id(&request.node_id)?;
    let view = call.view().await?;
    if view.fleet.node(&request.node_id).is_none() {
        return Err(unknown_node(&request.node_id));
    }
    let commands =
        view.fleet.commands_of(&request.node_id).iter().map(|command| command.to_info()).collect();
    Ok(Answer { message: ListCommandsResponse { commands }, index: view.index })
}
