use navarch_proto::api::{GetCommandRequest, GetCommandResponse};
use tonic::Status;

use crate::api::call::{Answer, Call};

/// Reads one node command with its result.
pub(in crate::api) async fn get_command(
    call: Call,
    request: GetCommandRequest,
) -> Result<Answer<GetCommandResponse>, Status> {
    let view = call.view().await?;
    let Some(command) = view.fleet.command(&request.command_id) else {
        return Err(Status::not_found(format!(
            "there is no command {:?}; finished ones are kept for 24 hours",
            request.command_id
        )));
    };
    let command = Some(command.to_info());
    Ok(Answer { message: GetCommandResponse { command }, index: view.index })
}
