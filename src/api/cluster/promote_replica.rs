use navarch_cluster::ReplicaId;
use navarch_proto::api::{PromoteReplicaRequest, PromoteReplicaResponse};
use tonic::Status;

use super::list_replicas::replica;
use crate::api::{
    call::{Answer, Call},
    errors,
};

/// Makes a learner a voter once it has caught up.
pub(in crate::api) async fn promote_replica(
    call: Call,
    request: PromoteReplicaRequest,
) -> Result<Answer<PromoteReplicaResponse>, Status> {
    let id = ReplicaId(request.id);
    let promoted = call.api.replica().promote(id, call.context.deadline).await;
    promoted.map_err(|error| errors::from_membership(&error))?;
    let message = PromoteReplicaResponse { replica: replica(&call.api, id) };
    Ok(Answer { message, index: call.api.ledger.view().index })
}
