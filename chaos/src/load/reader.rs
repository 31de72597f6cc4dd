use std::{sync::Arc, time::Duration};

use navarch::client::{CallError, CallOptions, Client, rpc::GetNode};
use navarch_proto::api;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::{Scribe, history::History, writer::VERSION_LABEL};
use crate::{
    history::{Operation, Value},
    host::Host,
};

/// Limit of a read: the replica may be down.
const LIMIT: Duration = Duration::from_secs(2);

/// One client that reads from one replica what was acknowledged before it asked.
pub(super) struct Reader {
    pub(super) host: Host,
    pub(super) client: Client,
    pub(super) replica: String,
    pub(super) history: Arc<History>,
    pub(super) scribe: Scribe,
    /// Between two reads.
    pub(super) pause: Duration,
}

impl Reader {
    /// Reads until `stop`: in turns the newest node, any node, and a register.
    pub(super) async fn run(self, stop: CancellationToken) {
        for turn in 0_u64.. {
            if stop.is_cancelled() {
                return;
            }
            match turn % 3 {
                2 => {
                    if let Some(register) = self.history.some_register() {
                        self.read_register(register).await;
                    }
                }
                turn => {
                    if let Some(node_id) = self.history.some_node(turn == 0) {
                        self.read_node(&node_id).await;
                    }
                }
            }
            self.host.clock.sleep(self.pause).await;
        }
    }

    /// Reads a register; the history tells in the end whether it was the newest version.
    async fn read_register(&self, key: String) {
        let call = self.scribe.asks(Operation::Read { key: key.clone() });
        let told = self.ask(&key).await;
        self.history.read(told.is_ok());
        let told = told.as_ref().map(|(version, index)| (Some(Value::Register(*version)), *index));
        self.scribe.is_told(call, told);
    }

    /// Reads a node whose registration was acknowledged before.
    async fn read_node(&self, node_id: &str) {
        let told = self.ask(node_id).await;
        self.history.read(told.is_ok());
        if let Ok((None, _)) = told {
            let replica = &self.replica;
            self.history.violated(format!(
                "stale read: {replica} knows no {node_id}, which was acknowledged before the read began"
            ));
        }
    }

    /// The version of a node, none if there is none, and the index that the answer reflects.
    async fn ask(&self, node_id: &str) -> Result<(Option<u64>, Option<u64>), CallError> {
        let request = api::GetNodeRequest { node_id: node_id.to_owned() };
        match self.client.call::<GetNode>(request, &CallOptions::within(LIMIT)).await {
            Ok(answer) => Ok((version_of(answer.message.node.as_ref()), answer.applied_index)),
            Err(CallError::Refused { code: Code::NotFound, .. }) => Ok((None, None)),
            Err(error) => Err(error),
        }
    }
}

/// The version of a node; none if it has no label of ours.
pub(super) fn version_of(node: Option<&api::NodeInfo>) -> Option<u64> {
    node?.metadata.as_ref()?.labels.get(VERSION_LABEL)?.parse().ok()
}
