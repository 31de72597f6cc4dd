use navarch_proto::{
    api::{ClearRuleVerdictsRequest, ClearRuleVerdictsResponse},
    fleet::{ClearRuleVerdicts, proposal::Kind},
};
use tonic::Status;

use crate::api::call::{Answer, Call};

/// Clears the unhealthy verdicts that stand by one rule or check.
pub(in crate::api) async fn clear_rule_verdicts(
    call: Call,
    request: ClearRuleVerdictsRequest,
) -> Result<Answer<ClearRuleVerdictsResponse>, Status> {
    let author = call.operator_once("ClearRuleVerdicts", &request);
    let ClearRuleVerdictsRequest { rule, pool, reason } = request;
    let clear = ClearRuleVerdicts { rule: rule.clone(), pool: pool.clone(), reason };
    let committed = call.propose(Kind::ClearRuleVerdicts(clear), &author).await?;
    let fleet = call.api.ledger.view().fleet;
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let message = ClearRuleVerdictsResponse {
        cleared: u32::try_from(committed.accepted.count).unwrap_or(u32::MAX),
        remaining: count(fleet.standing_verdicts(&rule, &pool).count()),
    };
    Ok(Answer { message, index: committed.index })
}
