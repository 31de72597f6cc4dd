use navarch_proto::{
    api::{ForgiveGpuRequest, ForgiveGpuResponse},
    fleet::{ForgiveGpu, proposal::Kind},
};
use tonic::Status;

use super::list_given_up_gpus::info;
use crate::api::call::{Answer, Call};

/// Lets a GPU back that was given up on.
pub(in crate::api) async fn forgive_gpu(
    call: Call,
    request: ForgiveGpuRequest,
) -> Result<Answer<ForgiveGpuResponse>, Status> {
    let author = call.operator_once("ForgiveGpu", &request);
    let fleet = call.api.ledger.view().fleet;
    // A retry finds it forgiven already.
    let gpu = fleet.given_up_gpu(&request.uuid).map(|gpu| info(&request.uuid, gpu));
    let forgive = ForgiveGpu { uuid: request.uuid, reason: request.reason };
    let committed = call.propose(Kind::ForgiveGpu(forgive), &author).await?;
    Ok(Answer { message: ForgiveGpuResponse { gpu }, index: committed.index })
}
