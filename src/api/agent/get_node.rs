use navarch_proto::api::{GetNodeRequest, GetNodeResponse};
use tonic::Status;

use crate::api::call::{Answer, Call, require_node_id, unknown_node};

/// Reads one node.
pub(in crate::api) async fn get_node(
    call: Call,
    request: GetNodeRequest,
) -> Result<Answer<GetNodeResponse>, Status> {
    require_node_id(&request.node_id)?;
    let view = call.view().await?;
    let Some(node) = view.fleet.node(&request.node_id) else {
        return Err(unknown_node(&request.node_id));
    };
    let node = call.api.node_info(&view, node);
    Ok(Answer { message: GetNodeResponse { node: Some(node) }, index: view.index })
}
