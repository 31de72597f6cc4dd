use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use navarch::client::{
    CallOptions, Client,
    rpc::{IssueCommand, ListInstances, ScalePool},
};
use navarch_host::Chance;
use navarch_proto::api;
use tokio_util::sync::CancellationToken;

use super::{Machines, stage_set::POOL};
use crate::{history::Operation, host::Host, load::Scribe};

/// Limit of one call.
const LIMIT: Duration = Duration::from_secs(20);

/// How long what is wanted is not overruled by anybody.
const HOLD_MS: u64 = 3_600_000;

/// Commands that were acknowledged: the node, and the command's id.
pub(super) type Issued = Arc<Mutex<Vec<(String, String)>>>;

/// Wants more and fewer machines by turns, and orders diagnostics of those that run.
pub(super) struct Demand {
    pub(super) host: Host,
    pub(super) client: Client,
    pub(super) scribe: Scribe,
    pub(super) chance: Chance,
    pub(super) machines: Machines,
    pub(super) issued: Issued,
}

impl Demand {
    /// Goes on until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Machines { least, most, change_every } = self.machines;
        // By turns in the upper and the lower half, so that machines are bought and given back all the time.
        let middle = least + (most - least) / 2;
        let mut halves = [(middle + 1, most), (least, middle)].into_iter().cycle();
        while !stop.is_cancelled() {
            let (low, high) = halves.next().unwrap_or((least, most));
            let span = usize::try_from(high - low).unwrap_or(0);
            let more = u32::try_from(self.chance.below(span + 1)).unwrap_or(0);
            self.want(low + more).await;
            for _ in 0..2 {
                self.host.clock.sleep(change_every / 3).await;
                self.order().await;
            }
            self.host.clock.sleep(change_every / 3).await;
        }
    }

    async fn want(&self, nodes: u32) {
        let key = format!("target of {POOL}");
        let call = self.scribe.asks(Operation::Write { key, value: u64::from(nodes) });
        let request =
            api::ScalePoolRequest { name: POOL.to_owned(), nodes, hold_ms: Some(HOLD_MS) };
        let answer = self.client.call::<ScalePool>(request, &CallOptions::within(LIMIT)).await;
        match &answer {
            Ok(answer) => self.scribe.is_told(call, Ok((None, answer.applied_index))),
            Err(error) => self.scribe.is_told(call, Err(error)),
        }
    }

    /// Of one machine that runs; one that goes meanwhile is none of our business.
    async fn order(&self) {
        let state = api::InstanceState::Running.into();
        let request = api::ListInstancesRequest { state, ..Default::default() };
        let options = CallOptions::within(LIMIT);
        let Ok(answer) = self.client.call::<ListInstances>(request, &options).await else { return };
        let running = answer.message.instances;
        let Some(one) = running.get(self.chance.below(running.len())) else { return };
        let request = api::IssueCommandRequest {
            node_id: one.node_id.clone(),
            command_type: api::NodeCommandType::RunDiagnostic.into(),
            ..Default::default()
        };
        if let Ok(answer) = self.client.call::<IssueCommand>(request, &options).await {
            let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
            issued.push((one.node_id.clone(), answer.message.command_id));
        }
    }
}
