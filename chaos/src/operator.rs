use std::time::Duration;

use navarch::client::{
    CallOptions, Client, Rpc,
    rpc::{IssueCommand, ListBreakers, ListNodes, OverrideBreaker},
};
use navarch_proto::api;

/// Limit of one call.
const LIMIT: Duration = Duration::from_secs(5);
/// For how long a breaker is forced closed: longer than any peace takes.
const FORCED_MS: u64 = 3_600_000;

/// Whoever looks after the fleet, and does what no controller may. What fails is not tried again: a look comes soon.
pub(crate) struct Operator {
    client: Client,
}

impl Operator {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Calls, and says nothing about what went wrong.
    pub(crate) async fn call<R: Rpc>(&self, request: R::Request) -> Option<R::Response> {
        let answered = self.client.call::<R>(request, &CallOptions::within(LIMIT)).await;
        answered.ok().map(|answer| answer.message)
    }

    /// Takes a node back into service.
    pub(crate) async fn uncordon(&self, node_id: String) {
        let request = api::IssueCommandRequest {
            node_id,
            command_type: api::NodeCommandType::Uncordon.into(),
            ..Default::default()
        };
        self.call::<IssueCommand>(request).await;
    }

    /// Takes nodes back that an unhealthy verdict has taken out and whose reports are good again: they are not replaced.
    pub(crate) async fn clear_the_well(&self) {
        let listed = self.call::<ListNodes>(api::ListNodesRequest::default()).await;
        let well = listed.into_iter().flat_map(|listed| listed.nodes).filter(|node| {
            node.status() == api::NodeStatus::Unhealthy
                && node.health_status() == api::HealthStatus::Healthy
        });
        for node in well {
            self.uncordon(node.node_id).await;
        }
    }

    /// Forces breakers closed that are still open, having seen that what is silent is dead: they close by themselves only once
    /// few are silent, and while they are open nobody dead is given up.
    pub(crate) async fn close_breakers(&self) {
        let listed = self.call::<ListBreakers>(api::ListBreakersRequest::default()).await;
        let open = listed.into_iter().flat_map(|listed| listed.breakers).filter(|one| one.open);
        for breaker in open {
            let request = api::OverrideBreakerRequest {
                scope: breaker.scope,
                name: breaker.name,
                open: false,
                duration_ms: FORCED_MS,
                reason: "all faults are over".to_owned(),
            };
            self.call::<OverrideBreaker>(request).await;
        }
    }
}
