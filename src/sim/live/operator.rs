use std::time::Duration;

use navarch_proto::api::{
    ApplyFleetRequest, FleetEvent, IssueCommandRequest, ListEventsRequest, ListNodesRequest,
    ListPoolsRequest, NodeCommandType, NodeInfo, PoolInfo,
};

use super::{configuration::Applied, options::LiveOptions};
use crate::{
    client::{
        CallOptions, Client, ClientOptions, Rpc,
        rpc::{ApplyFleet, IssueCommand, ListEvents, ListNodes, ListPools},
    },
    sim::error::SimError,
};

/// How long a call may take: far longer than a change of leader.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long all replicas together may be away.
const AWAY_LIMIT: Duration = Duration::from_secs(15);
/// Events read at once.
const PAGE: u32 = 1_000;
/// Why people do it, as the journal tells.
const REASON: &str = "by the scenario";

/// What a scenario asks of a group as its operators would.
pub(super) struct Operator {
    client: Client,
}

/// How a configuration is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Not at all: only what it would change is asked.
    Ask,
    /// Unless it leaves out what has machines.
    Plain,
    /// What it leaves out is drained, given back and removed.
    Force,
}

impl Operator {
    pub(super) fn new(options: &LiveOptions) -> Result<Self, SimError> {
        let client =
            ClientOptions { unreachable_after: Some(AWAY_LIMIT), ..options.client.clone() };
        Ok(Self { client: Client::new(&options.replicas, client)? })
    }

    /// Makes a call over changes of leader; `what` names it in an error, like `list the nodes`.
    pub(super) async fn call<R: Rpc>(
        &self,
        what: &str,
        request: R::Request,
    ) -> Result<R::Response, SimError> {
        let called = self.client.call::<R>(request, &CallOptions::within(CALL_TIMEOUT)).await;
        let failed = |source| SimError::Call { what: what.to_owned(), source: Box::new(source) };
        Ok(called.map_err(failed)?.message)
    }

    pub(super) async fn pools(&self) -> Result<Vec<PoolInfo>, SimError> {
        let answer = self.call::<ListPools>("list the pools", ListPoolsRequest {}).await?;
        Ok(answer.pools)
    }

    /// The nodes that a request asks for, by id.
    pub(super) async fn nodes(&self, request: ListNodesRequest) -> Result<Vec<NodeInfo>, SimError> {
        Ok(self.call::<ListNodes>("list the nodes", request).await?.nodes)
    }

    /// Applies a configuration; answers what that changes.
    pub(super) async fn apply(
        &self,
        config: &Applied,
        manner: Manner,
    ) -> Result<Vec<String>, SimError> {
        let request = ApplyFleetRequest {
            yaml: config.yaml.write(),
            dry_run: manner == Manner::Ask,
            policy_yaml: config.policy_yaml.clone(),
            force: manner == Manner::Force,
        };
        Ok(self.call::<ApplyFleet>("apply the configuration", request).await?.changes)
    }

    /// Orders something of each of some nodes.
    pub(super) async fn order(
        &self,
        node_ids: &[String],
        kind: NodeCommandType,
        deadline: Option<String>,
    ) -> Result<(), SimError> {
        let reason = [("reason".to_owned(), REASON.to_owned())];
        let deadline = deadline.map(|limit| ("deadline".to_owned(), limit));
        let parameters = reason.into_iter().chain(deadline).collect();
        let request =
            IssueCommandRequest { command_type: kind.into(), parameters, ..Default::default() };
        let verb = match kind {
            NodeCommandType::Cordon => "cordon",
            NodeCommandType::Drain => "drain",
            NodeCommandType::Uncordon => "uncordon",
            NodeCommandType::RunDiagnostic => "run a diagnostic on",
            NodeCommandType::Terminate => "terminate",
            NodeCommandType::Unknown => "command",
        };
        for node_id in node_ids {
            let request = IssueCommandRequest { node_id: node_id.clone(), ..request.clone() };
            self.call::<IssueCommand>(&format!("{verb} node {node_id}"), request).await?;
        }
        Ok(())
    }

    /// The index of the newest event of the journal; 0: there is none.
    pub(super) async fn last_index(&self) -> Result<u64, SimError> {
        let request = ListEventsRequest { limit: 1, ..ListEventsRequest::default() };
        Ok(self.call::<ListEvents>("read the journal", request).await?.last_index)
    }

    /// All events after an index.
    pub(super) async fn events_since(&self, mut since: u64) -> Result<Vec<FleetEvent>, SimError> {
        let mut events = Vec::new();
        loop {
            let request = ListEventsRequest { since, limit: PAGE, subject: String::new() };
            let answer = self.call::<ListEvents>("read the journal", request).await?;
            let Some(last) = answer.events.last() else { return Ok(events) };
            since = last.index;
            let whole = answer.events.len() < PAGE as usize;
            events.extend(answer.events);
            if whole {
                return Ok(events);
            }
        }
    }
}
