use navarch_fleet::{LogTime, limits::DEFAULT_METRICS_TTL_MS};
use navarch_proto::{
    api::{ReportPoolMetricsRequest, ReportPoolMetricsResponse},
    fleet::{RecordPoolMetrics, proposal::Kind},
};
use tonic::Status;

use crate::{
    api::call::{Answer, Call},
    ledger::Author,
};

/// Keeps a pool's figures until they expire. The call is idempotent by nature, and may come every few seconds
/// for each pool, so its outcome is not remembered.
pub(in crate::api) async fn report_pool_metrics(
    call: Call,
    request: ReportPoolMetricsRequest,
) -> Result<Answer<ReportPoolMetricsResponse>, Status> {
    let ReportPoolMetricsRequest { pool, pending_jobs, queue_depth, utilization, ttl_ms } = request;
    let record = RecordPoolMetrics { pool, pending_jobs, queue_depth, utilization, ttl_ms };
    let author = Author::caller(call.context.principal.name());
    let committed = call.propose(Kind::RecordPoolMetrics(record), &author).await?;
    let ttl_ms = if ttl_ms == 0 { DEFAULT_METRICS_TTL_MS } else { ttl_ms };
    let expires_at = LogTime::from_ms(committed.accepted.log_time_ms).plus_ms(ttl_ms);
    let message = ReportPoolMetricsResponse { expires_at: Some(expires_at.to_timestamp()) };
    Ok(Answer { message, index: committed.index })
}
