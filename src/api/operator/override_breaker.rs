use navarch_fleet::LogTime;
use navarch_proto::{
    api::{
        OverrideBreakerRequest, OverrideBreakerResponse, ResetBreakerRequest, ResetBreakerResponse,
    },
    fleet::{BreakerForce, OverrideBreaker, proposal::Kind},
};
use tonic::Status;

use super::list_breakers::{named, wire_scope};
use crate::api::call::{Answer, Call};

/// Forces a breaker closed or open for a while.
pub(in crate::api) async fn override_breaker(
    call: Call,
    request: OverrideBreakerRequest,
) -> Result<Answer<OverrideBreakerResponse>, Status> {
    let author = call.operator_once("OverrideBreaker", &request);
    let key = named(&call.api.ledger.view().fleet, &request.scope, &request.name)?;
    let force = if request.open { BreakerForce::Open } else { BreakerForce::Closed };
    let order = OverrideBreaker {
        scope: wire_scope(key.scope).into(),
        name: key.name.to_string(),
        force: force.into(),
        duration_ms: request.duration_ms,
        reason: request.reason,
        breaker_revision: 0,
    };
    let committed = call.propose(Kind::OverrideBreaker(order), &author).await?;
    let now = LogTime::from_ms(call.api.ledger.log_time_ms());
    let breaker = Some(call.api.ledger.view().fleet.breaker_info(&key, now));
    Ok(Answer { message: OverrideBreakerResponse { breaker }, index: committed.index })
}

/// Ends an override.
pub(in crate::api) async fn reset_breaker(
    call: Call,
    request: ResetBreakerRequest,
) -> Result<Answer<ResetBreakerResponse>, Status> {
    let author = call.operator_once("ResetBreaker", &request);
    let key = named(&call.api.ledger.view().fleet, &request.scope, &request.name)?;
    let order = OverrideBreaker {
        scope: wire_scope(key.scope).into(),
        name: key.name.to_string(),
        force: BreakerForce::None.into(),
        duration_ms: 0,
        reason: request.reason,
        breaker_revision: 0,
    };
    let committed = call.propose(Kind::OverrideBreaker(order), &author).await?;
    let now = LogTime::from_ms(call.api.ledger.log_time_ms());
    let breaker = Some(call.api.ledger.view().fleet.breaker_info(&key, now));
    Ok(Answer { message: ResetBreakerResponse { breaker }, index: committed.index })
}
