use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use navarch::{
    client::{
        CallOptions, Client,
        rpc::{GetFleetStatus, ListInstances, ListNodes},
    },
    fake_cloud::ledger::{Effect, LedgerEntry},
};
use navarch_proto::{api, timestamp::to_unix_ms};

use crate::{error::ChaosError, host::Host, load::journal, proc::http, wait::until};

/// The pool that is cut.
pub(super) const POOL: &str = "cut";
/// Limit of one call.
const CALL_LIMIT: Duration = Duration::from_secs(25);
/// Agents that are cut at a time.
const AT_ONCE: usize = 32;

/// A pool of real replicas and of a fake cloud, as a run sees and strikes it.
pub(super) struct Pool<'a> {
    pub(super) host: &'a Host,
    pub(super) client: Client,
    /// The fake cloud's `host:port`.
    pub(super) cloud: String,
}

/// What the journal tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The last event that was read.
    pub(super) index: u64,
    /// Nodes declared lost.
    pub(super) lost: usize,
    /// Machines ordered in place of others.
    pub(super) replacements: usize,
    /// Those of them that were ordered while a breaker was open.
    pub(super) past_the_breaker: usize,
    /// Whether any breaker of the pool or of all is open.
    pub(super) open: usize,
}

impl Pool<'_> {
    /// Waits until so many nodes have beaten since `since_ms` of wall time, and none is lost. A replica that does not
    /// lead knows of beats by digests, up to five seconds late.
    pub(super) async fn wait_beating(
        &self,
        nodes: u32,
        since_ms: u64,
        limit: Duration,
    ) -> Result<(), ChaosError> {
        until(self.host, "a pool whose nodes all beat", limit, || async {
            let answer = self.nodes().await.map_err(|error| error.to_string())?;
            let here: Vec<_> = answer.iter().filter(|node| is_here(node)).collect();
            let is_beating = |node: &&&api::NodeInfo| !node.lost && beat_ms(node) > since_ms;
            match here.iter().filter(is_beating).count() {
                beating if beating >= nodes as usize && beating == here.len() => Ok(()),
                beating => Err(format!("{beating} of {} beat, {nodes} should", here.len())),
            }
        })
        .await
    }

    async fn nodes(&self) -> Result<Vec<api::NodeInfo>, ChaosError> {
        let options = CallOptions::within(CALL_LIMIT);
        let answer = self.client.call::<ListNodes>(api::ListNodesRequest::default(), &options);
        Ok(answer.await.map_err(ChaosError::call("list the nodes"))?.message.nodes)
    }

    /// The machines of nodes that run, by the cloud's ids.
    pub(super) async fn machines(&self) -> Result<Vec<String>, ChaosError> {
        let state = api::InstanceState::Running.into();
        let request = api::ListInstancesRequest { state, ..Default::default() };
        let answer =
            self.client.call::<ListInstances>(request, &CallOptions::within(CALL_LIMIT)).await;
        let instances = answer.map_err(ChaosError::call("list the machines"))?.message.instances;
        let mut machines: Vec<_> = instances.into_iter().map(|one| one.provider_ref).collect();
        machines.sort_unstable();
        Ok(machines)
    }

    /// Cuts the agents of these machines off: they are rented, and say nothing.
    pub(super) async fn cut(&self, machines: &[String]) -> Result<(), ChaosError> {
        self.strike(machines, ("kill", r#"{"machine": "stays"}"#, &[200])).await
    }

    /// Has the agents say something again; a machine that was given back meanwhile has none.
    pub(super) async fn heal(&self, machines: &[String]) -> Result<(), ChaosError> {
        self.strike(machines, ("revive", "{}", &[200, 404, 409])).await
    }

    async fn strike(
        &self,
        machines: &[String],
        (verb, body, expected): (&str, &str, &[u16]),
    ) -> Result<(), ChaosError> {
        let struck = stream::iter(machines).map(|machine| async move {
            let path = format!("/v1/admin/instances/{machine}/{verb}");
            let answer = http::post(self.host, &self.cloud, (&path, body), CALL_LIMIT).await;
            let answer = answer.map_err(|problem| tool(&problem))?;
            match expected.contains(&answer.status) {
                true => Ok(()),
                false => Err(tool(&format!("{path}: {} {}", answer.status, answer.body))),
            }
        });
        let mut struck = struck.buffer_unordered(AT_ONCE);
        while let Some(one) = struck.next().await {
            one?;
        }
        Ok(())
    }

    /// Whether losses and replacements are stopped.
    pub(super) async fn is_stopped(&self) -> Result<bool, ChaosError> {
        let request = api::GetFleetStatusRequest::default();
        let answer =
            self.client.call::<GetFleetStatus>(request, &CallOptions::within(CALL_LIMIT)).await;
        let status = answer.map_err(ChaosError::call("read the status"))?.message;
        Ok(status.open_breakers.iter().any(|breaker| breaker.open))
    }

    /// What the journal has told since `told`, added to it.
    pub(super) async fn read(&self, mut told: Told) -> Result<Told, ChaosError> {
        journal(&self.client, told.index).await?.iter().for_each(|event| told.take(event));
        Ok(told)
    }

    /// Machines that the cloud sold in all.
    pub(super) async fn bought(&self) -> Result<usize, ChaosError> {
        let ledger = http::get(self.host, &self.cloud, "/v1/ledger", CALL_LIMIT).await;
        let ledger = ledger.map_err(|problem| tool(&problem))?.body;
        let entries = ledger.lines().filter_map(|line| serde_json::from_str(line).ok());
        Ok(entries.filter(|entry: &LedgerEntry| entry.effect == Effect::Created).count())
    }
}

impl Told {
    /// The journal is in order, so that what stands after the opening of a breaker came after it.
    fn take(&mut self, event: &api::FleetEvent) {
        self.index = event.index;
        match event.kind.as_str() {
            "node-lost" => self.lost += 1,
            "breaker-opened" => self.open += 1,
            "breaker-closed" => self.open = self.open.saturating_sub(1),
            "instance-requested" if event.changes.iter().any(|one| one.field == "replaces") => {
                self.replacements += 1;
                self.past_the_breaker += usize::from(self.open > 0);
            }
            _ => {}
        }
    }
}

/// When a node beat last, in milliseconds since the Unix epoch; 0: never.
fn beat_ms(node: &api::NodeInfo) -> u64 {
    node.last_heartbeat.as_ref().map_or(0, to_unix_ms)
}

/// Whether a node's machine is not gone.
fn is_here(node: &api::NodeInfo) -> bool {
    node.status() != api::NodeStatus::Terminated
}

fn tool(problem: &str) -> ChaosError {
    ChaosError::Tool { program: "navarch fake-cloud".to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a replacement that slipped past the breaker would be taken for one from before it.
    #[test]
    fn replacements_are_told_from_those_past_the_breaker() {
        let event = |index: u64, kind: &str, field: &str| api::FleetEvent {
            index,
            kind: kind.to_owned(),
            changes: vec![api::FieldChange { field: field.to_owned(), ..Default::default() }],
            ..Default::default()
        };
        let mut told = Told::default();
        for (kind, field) in [
            ("instance-requested", "replaces"),
            ("instance-requested", "pool"),
            ("breaker-opened", ""),
            ("instance-requested", "replaces"),
            ("breaker-closed", ""),
            ("node-lost", ""),
            ("instance-requested", "replaces"),
        ] {
            told.take(&event(told.index + 1, kind, field));
        }
        let expected = Told { index: 7, lost: 1, replacements: 3, past_the_breaker: 1, open: 0 };
        assert_eq!(told, expected);
    }
}
