use navarch_fleet::{FleetState, Pool};
use navarch_proto::api::{GetPoolRequest, GetPoolResponse, PoolInfo};
use tonic::Status;

use crate::{
    api::call::{Answer, Call},
    scaling::Autoscalers,
};

/// Reads one pool.
pub(in crate::api) async fn get_pool(
    call: Call,
    request: GetPoolRequest,
) -> Result<Answer<GetPoolResponse>, Status> {
    let view = call.view().await?;
    let pool = Some(pool_info(&view.fleet, &request.name)?);
    Ok(Answer { message: GetPoolResponse { pool }, index: view.index })
}

/// A pool as the wire shows it, or the error that names it.
pub(super) fn pool_info(fleet: &FleetState, name: &str) -> Result<PoolInfo, Status> {
    match fleet.pool(name) {
        Some(pool) => Ok(shown(fleet, pool)),
        None => Err(Status::not_found(format!(
            "there is no pool {name:?}; `navarch pool list` shows them"
        ))),
    }
}

/// A pool with the name of whoever decided last: the configured strategy, or an own autoscaler of the program that
/// led then.
pub(super) fn shown(fleet: &FleetState, pool: &Pool) -> PoolInfo {
    let mut info = fleet.pool_info(pool);
    let author = pool.decision.as_ref().and_then(|last| Autoscalers::author(&last.reason));
    if let Some(author) = author {
        info.autoscaler = author.to_owned();
    }
    info
}
