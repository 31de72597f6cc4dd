use navarch_fleet::limits::MAX_OUTPUT_BYTES;
use navarch_proto::{
    api::{AckCommandRequest, AckCommandResponse, CommandResult},
    fleet::{AcknowledgeCommand, proposal::Kind},
};
use tonic::Status;

use super::agent_author;
use crate::api::call::{Answer, Call, require_node_id};

/// Records how a command ended. Repeating it is harmless.
pub(in crate::api) async fn ack_command(
    call: Call,
    request: AckCommandRequest,
) -> Result<Answer<AckCommandResponse>, Status> {
    require_node_id(&request.node_id)?;
    if request.result() == CommandResult::Unknown {
        return Err(Status::invalid_argument(format!(
            "result {} is neither COMMAND_RESULT_SUCCEEDED nor COMMAND_RESULT_FAILED",
            request.result
        )));
    }
    let author = agent_author(&request.node_id);
    let acknowledge = AcknowledgeCommand {
        node_id: request.node_id,
        command_id: request.command_id,
        result: request.result,
        output: cut(request.output),
        error: cut(request.error),
    };
    let committed = call.propose(Kind::AcknowledgeCommand(acknowledge), &author).await?;
    Ok(Answer { message: AckCommandResponse { acknowledged: true }, index: committed.index })
}

/// What is kept of an output; the rest must not enter the log.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_OUTPUT_BYTES));
    text
}
