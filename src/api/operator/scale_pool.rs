use navarch_proto::{
    api::{ScalePoolRequest, ScalePoolResponse},
    fleet::{ScalePool, proposal::Kind},
};
use tonic::Status;

use super::get_pool::pool_info;
use crate::api::call::{Answer, Call};

/// How long a manual target holds the autoscaler off unless the caller says otherwise: one hour.
const DEFAULT_HOLD_MS: u64 = 3_600_000;

/// Sets a pool's target within its limits.
pub(in crate::api) async fn scale_pool(
    call: Call,
    request: ScalePoolRequest,
) -> Result<Answer<ScalePoolResponse>, Status> {
    let author = call.operator_once("ScalePool", &request);
    let hold_ms = request.hold_ms.unwrap_or(DEFAULT_HOLD_MS);
    let scale = ScalePool {
        pool: request.name.clone(),
        target: request.nodes,
        hold_until_ms: call.api.ledger.log_time_ms().saturating_add(hold_ms),
    };
    let committed = call.propose(Kind::ScalePool(scale), &author).await?;
    let pool = Some(pool_info(&call.api.ledger.view().fleet, &request.name)?);
    Ok(Answer { message: ScalePoolResponse { pool }, index: committed.index })
}
