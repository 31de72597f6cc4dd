use navarch_fleet::LogTime;
use navarch_proto::{
    api::{ReportHealthRequest, ReportHealthResponse},
    fleet::{RecordVerdict, RejectionCode, proposal::Kind},
};
use tonic::Status;

use super::agent_author;
use crate::{
    api::{
        call::{Answer, Call, require_node_id, unknown_node},
        errors,
    },
    health::Verdict,
    ledger::ProposeError,
};

/// How often a report is judged again because policy, node or history moved under it: of reports of one node at once, each
/// is judged after those that came before it.
const JUDGEMENTS: u32 = 8;

/// Judges a report before the log, and logs the verdict.
pub(in crate::api) async fn report_health(
    call: Call,
    request: ReportHealthRequest,
) -> Result<Answer<ReportHealthResponse>, Status> {
    require_node_id(&request.node_id)?;
    let author = agent_author(&request.node_id);
    let mut last = None;
    for _ in 0..JUDGEMENTS {
        let (verdict, proposal) = judge(&call, &request).await?;
        let proposed =
            call.api.ledger.propose(Kind::RecordVerdict(proposal), &author, call.context.deadline);
        match proposed.await {
            Ok(committed) => {
                call.api.health.judged(&verdict);
                let node_status = committed.accepted.node_status;
                let message = ReportHealthResponse { acknowledged: true, node_status };
                return Ok(Answer { message, index: committed.index });
            }
            Err(error) if stale(&error) => last = Some(error),
            Err(error) => return Err(errors::from_propose(&error)),
        }
    }
    Err(last.map_or_else(|| Status::internal("not judged"), |error| errors::from_propose(&error)))
}

fn stale(error: &ProposeError) -> bool {
    error.rejection_code() == Some(RejectionCode::Stale)
}

async fn judge(
    call: &Call,
    request: &ReportHealthRequest,
) -> Result<(Verdict, RecordVerdict), Status> {
    let ledger = &call.api.ledger;
    let fleet = ledger.view().fleet;
    let Some(node) = fleet.node(&request.node_id) else {
        return Err(unknown_node(&request.node_id));
    };
    let came = (LogTime::from_ms(ledger.log_time_ms()), &*call.context.request_id);
    let judged = call.api.judge.judge(&fleet, request, came).await;
    let verdict = judged.map_err(|error| Status::invalid_argument(error.to_string()))?;
    for failure in &verdict.failures {
        tracing::warn!(
            node = request.node_id,
            rule = failure.rule,
            error = failure.error,
            "a health rule could not be evaluated"
        );
    }
    let proposal = verdict.clone().proposal(&fleet, node, call.context.request_id.to_string());
    Ok((verdict, proposal))
}
