use navarch_cluster::ReplicaId;
use navarch_proto::api::{TransferLeaderRequest, TransferLeaderResponse};
use tonic::Status;

use crate::api::{
    call::{Answer, Call},
    errors,
};

/// Hands leadership to another voter.
pub(in crate::api) async fn transfer_leader(
    call: Call,
    request: TransferLeaderRequest,
) -> Result<Answer<TransferLeaderResponse>, Status> {
    let to = (request.to != 0).then_some(ReplicaId(request.to));
    let transferred = call.api.replica().transfer_leader(to, call.context.deadline).await;
    let leader = transferred.map_err(|error| errors::from_membership(&error))?;
    let message = TransferLeaderResponse { leader_id: leader.0 };
    Ok(Answer { message, index: call.api.ledger.view().index })
}
