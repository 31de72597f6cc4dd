use navarch_proto::{
    api::{ForgetNodeRequest, ForgetNodeResponse},
    fleet::{ForgetNode, proposal::Kind},
};
use tonic::Status;

use crate::api::call::{Answer, Call, require_node_id};

/// Removes a standalone or terminated node from the records.
pub(in crate::api) async fn forget_node(
    call: Call,
    request: ForgetNodeRequest,
) -> Result<Answer<ForgetNodeResponse>, Status> {
    require_node_id(&request.node_id)?;
    let author = call.operator_once("ForgetNode", &request);
    let forget = ForgetNode { node_id: request.node_id };
    let committed = call.propose(Kind::ForgetNode(forget), &author).await?;
    Ok(Answer { message: ForgetNodeResponse {}, index: committed.index })
}
