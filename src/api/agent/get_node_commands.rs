use navarch_proto::{
    api::{GetNodeCommandsRequest, GetNodeCommandsResponse},
    fleet::{HandOutCommands, proposal::Kind},
};
use tonic::Status;

use super::agent_author;
use crate::api::call::{Answer, Call, require_node_id};

/// The old poll: what is handed out counts as acknowledged, committed before the answer leaves.
pub(in crate::api) async fn get_node_commands(
    call: Call,
    request: GetNodeCommandsRequest,
) -> Result<Answer<GetNodeCommandsResponse>, Status> {
    require_node_id(&request.node_id)?;
    let view = call.api.ledger.view();
    let key = call.request_key("GetNodeCommands", &request);
    // A retry asks the log even then: what the first attempt handed out must be answered again. One whose first attempt has no
    // outcome does not: an agent's token must not fill the table of outcomes, which operators' calls need as well.
    let none_open = view.fleet.open_commands_of(&request.node_id).next().is_none();
    if none_open && !view.fleet.remembers(&key) {
        let message = GetNodeCommandsResponse { commands: Vec::new() };
        return Ok(Answer { message, index: view.index });
    }
    let author = agent_author(&request.node_id).under(key);
    let hand_out = HandOutCommands { node_id: request.node_id };
    let committed = call.propose(Kind::HandOutCommands(hand_out), &author).await?;
    let message = GetNodeCommandsResponse { commands: committed.accepted.commands };
    Ok(Answer { message, index: committed.index })
}
