use navarch_cluster::{MembershipError, ReplicaId};
use navarch_proto::api::{RemoveReplicaRequest, RemoveReplicaResponse};
use tonic::Status;

use crate::api::{
    call::{Answer, Call},
    errors,
};

/// Removes a replica from the group for good.
pub(in crate::api) async fn remove_replica(
    call: Call,
    request: RemoveReplicaRequest,
) -> Result<Answer<RemoveReplicaResponse>, Status> {
    let id = ReplicaId(request.id);
    let removed = call.api.replica().remove(id, call.context.deadline).await;
    match removed {
        // A retry of a removal that was made.
        Err(MembershipError::NotFound { .. }) if call.context.may_be_retry => {}
        removed => removed.map_err(|error| errors::from_membership(&error))?,
    }
    Ok(Answer { message: RemoveReplicaResponse {}, index: call.api.ledger.view().index })
}
