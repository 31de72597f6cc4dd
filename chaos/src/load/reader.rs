use std::{sync::Arc, time::Duration};

use navarch::client::{CallError, CallOptions, Client, rpc::GetNode};
use navarch_proto::api;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::{history::History, writer::VERSION_LABEL};
use crate::host::Host;

/// Limit of a read: the replica may be down.
const LIMIT: Duration = Duration::from_secs(2);

/// One client that reads from one replica what was acknowledged before it asked.
pub(super) struct Reader {
    pub(super) host: Host,
    pub(super) client: Client,
    pub(super) replica: String,
    pub(super) history: Arc<History>,
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
                    if let Some((register, version)) = self.history.some_register() {
                        self.read(&register, version).await;
                    }
                }
                turn => {
                    if let Some(node_id) = self.history.some_node(turn == 0) {
                        self.read(&node_id, 1).await;
                    }
                }
            }
            self.host.clock.sleep(self.pause).await;
        }
    }

    /// Reads a node that is known to have been acknowledged with `version`.
    async fn read(&self, node_id: &str, version: u64) {
        let options = CallOptions::within(LIMIT);
        let request = api::GetNodeRequest { node_id: node_id.to_owned() };
        let answer = self.client.call::<GetNode>(request, &options).await;
        let found = match &answer {
            Ok(answer) => version_of(answer.message.node.as_ref()),
            Err(CallError::Refused { code: Code::NotFound, .. }) => None,
            Err(_) => return self.history.read(false),
        };
        self.history.read(true);
        if found.is_none_or(|found| found < version) {
            let replica = &self.replica;
            self.history.violated(format!(
                "stale read: {replica} answered {found:?} for {node_id}, of which version {version} \
                 was acknowledged before the read began"
            ));
        }
    }
}

/// The version of a node; none if it has no label of ours.
pub(super) fn version_of(node: Option<&api::NodeInfo>) -> Option<u64> {
    node?.metadata.as_ref()?.labels.get(VERSION_LABEL)?.parse().ok()
}
