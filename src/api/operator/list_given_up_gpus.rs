use navarch_fleet::{GivenUpGpu, LogTime};
use navarch_proto::api::{GivenUpGpuInfo, ListGivenUpGpusRequest, ListGivenUpGpusResponse};
use tonic::Status;

use crate::api::call::{Answer, Call};

/// Lists the GPUs that machines were given up on for, ordered by UUID.
pub(in crate::api) async fn list_given_up_gpus(
    call: Call,
    _: ListGivenUpGpusRequest,
) -> Result<Answer<ListGivenUpGpusResponse>, Status> {
    let view = call.view().await?;
    let gpus = view.fleet.given_up_gpus().map(|(uuid, gpu)| info(uuid, gpu)).collect();
    Ok(Answer { message: ListGivenUpGpusResponse { gpus }, index: view.index })
}

/// Such a GPU as the wire shows it.
pub(super) fn info(uuid: &str, gpu: &GivenUpGpu) -> GivenUpGpuInfo {
    GivenUpGpuInfo {
        uuid: uuid.to_owned(),
        instance_id: gpu.instance_id.to_string(),
        reason: gpu.reason.to_string(),
        given_up_at: gpu.at.map(LogTime::to_timestamp),
        until: Some(gpu.until.to_timestamp()),
    }
}
