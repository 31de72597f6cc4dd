use navarch_proto::api::{GetInstanceRequest, GetInstanceResponse};
use tonic::Status;

use crate::api::call::{Answer, Call};

/// Reads one instance, by our id or by the provider's.
pub(in crate::api) async fn get_instance(
    call: Call,
    request: GetInstanceRequest,
) -> Result<Answer<GetInstanceResponse>, Status> {
    let id = request.instance_id;
    if id.is_empty() {
        return Err(Status::invalid_argument(
            "instance_id is empty; send an instance id, or the provider's id of the machine",
        ));
    }
    let view = call.view().await?;
    let Some(instance) = view.fleet.find_instance(&id) else {
        return Err(Status::not_found(format!(
            "no instance has the id {id:?}, ours or its provider's; `navarch instance list` shows them"
        )));
    };
    let instance = Some(view.fleet.instance_info(instance));
    Ok(Answer { message: GetInstanceResponse { instance }, index: view.index })
}
