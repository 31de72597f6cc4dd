use navarch_proto::{
    api::{PausePoolRequest, PausePoolResponse},
    fleet::{PausePool, proposal::Kind},
};
use tonic::Status;

use super::get_pool::pool_info;
use crate::api::call::{Answer, Call};

/// Freezes a pool, or lets it go on.
pub(in crate::api) async fn pause_pool(
    call: Call,
    request: PausePoolRequest,
) -> Result<Answer<PausePoolResponse>, Status> {
    let author = call.operator_once("PausePool", &request);
    let pause =
        PausePool { pool: request.name.clone(), paused: request.paused, reason: request.reason };
    let committed = call.propose(Kind::PausePool(pause), &author).await?;
    let pool = Some(pool_info(&call.api.ledger.view().fleet, &request.name)?);
    Ok(Answer { message: PausePoolResponse { pool }, index: committed.index })
}
