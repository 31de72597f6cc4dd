use navarch_proto::api::{AddReplicaRequest, AddReplicaResponse};
use tonic::Status;

use super::list_replicas::replica;
use crate::api::{
    call::{Answer, Call},
    errors,
};

/// Admits a waiting replica as a learner, and as a voter once it has caught up where that is asked for.
pub(in crate::api) async fn add_replica(
    call: Call,
    request: AddReplicaRequest,
) -> Result<Answer<AddReplicaResponse>, Status> {
    let deadline = call.context.deadline;
    let group = call.api.replica();
    let id = group
        .add_learner(&request.name, &request.address, deadline)
        .await
        .map_err(|error| errors::from_membership(&error))?;
    if request.voter {
        group.promote(id, deadline).await.map_err(|error| errors::from_membership(&error))?;
    }
    let message = AddReplicaResponse { replica: replica(&call.api, id) };
    Ok(Answer { message, index: call.api.ledger.view().index })
}
