use navarch_proto::{
    api::{NodeConfig, RegisterNodeRequest, RegisterNodeResponse},
    fleet::{RegisterNode, Settings, proposal::Kind},
};
use tonic::Status;

use super::agent_author;
use crate::{
    api::call::{Answer, Call, require_node_id},
    liveness::interval_hint_ms,
};

/// Creates or refreshes a node's record and tells the agent how to behave.
pub(in crate::api) async fn register_node(
    call: Call,
    request: RegisterNodeRequest,
) -> Result<Answer<RegisterNodeResponse>, Status> {
    require_node_id(&request.node_id)?;
    let author = agent_author(&request.node_id);
    let register =
        RegisterNode { request: Some(request), request_id: call.context.request_id.to_string() };
    let committed = call.propose(Kind::RegisterNode(register), &author).await?;
    let fleet = call.api.ledger.view().fleet;
    let message = RegisterNodeResponse {
        success: true,
        message: "registered".to_owned(),
        config: Some(node_config(fleet.settings(), fleet.node_count())),
    };
    Ok(Answer { message, index: committed.index })
}

/// Seconds round up and are never below 1: the original agent panics on 0.
fn node_config(settings: &Settings, nodes: usize) -> NodeConfig {
    let seconds = |ms: u64| i32::try_from(ms.div_ceil(1_000).max(1)).unwrap_or(i32::MAX);
    NodeConfig {
        health_check_interval_seconds: seconds(settings.health_check_interval_ms),
        heartbeat_interval_seconds: seconds(interval_hint_ms(settings, nodes).into()),
        enabled_health_checks: settings.enabled_health_checks.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a sub-second interval would reach the original agent as 0, and it would panic.
    #[test]
    fn seconds_round_up_and_never_reach_zero() {
        for (ms, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (60_000, 60)] {
            let settings = Settings {
                health_check_interval_ms: ms,
                heartbeat_interval_ms: ms,
                max_heartbeats_per_second: 20_000,
                ..Settings::default()
            };
            let config = node_config(&settings, 1);
            assert_eq!(config.health_check_interval_seconds, seconds, "{ms} ms");
            assert_eq!(config.heartbeat_interval_seconds, seconds, "{ms} ms");
        }
    }
}
