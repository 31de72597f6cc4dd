use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use navarch_fleet::{CommandId, CommandState, FleetState};
use navarch_proto::{
    fleet::{MarkDelivered, proposal::Kind},
    frame,
    peer::RelayedCall,
};
use prost::Message as _;
use tokio::sync::Notify;
use tonic::Status;

use super::{agent::agent_author, call::Api};

/// The path under which the leader is told by another replica; it is no method of a public service.
pub(super) const PATH: &str = "/navarch.internal/MarkDelivered";
/// How long after a delivery it is noted. What is acknowledged by then, as most is, needs no note: the log has one entry
/// less, and the acknowledgement nothing to wait behind.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a note may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Nodes whose deliveries wait to be noted; those of others stay `queued` until they are acknowledged.
const MAX_NODES: usize = 100_000;
/// Notes under way at a time.
const AT_ONCE: usize = 16;

/// Commands that were handed to agents by this replica, to be noted in the log. Losing one is harmless: the command
/// is delivered until it is acknowledged either way.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    handed: Mutex<BTreeMap<String, Vec<CommandId>>>,
    news: Notify,
}

impl Deliveries {
    /// Notes that commands leave for their node with the answer that follows.
    pub(super) fn note<'a>(&self, node_id: &str, ids: impl Iterator<Item = &'a CommandId>) {
        let mut ids = ids.peekable();
        if ids.peek().is_none() {
            return;
        }
        {
            let mut handed = self.lock();
            if handed.len() >= MAX_NODES && !handed.contains_key(node_id) {
                return;
            }
            // A later delivery of a node names all that the earlier one did, unless they have ended.
            handed.insert(node_id.to_owned(), ids.cloned().collect());
        }
        self.news.notify_one();
    }

    /// Has deliveries noted, for ever.
    pub(super) async fn run(&self, api: &Api) {
        loop {
            self.news.notified().await;
            api.clock().sleep(PATIENCE).await;
            let handed = std::mem::take(&mut *self.lock());
            let view = api.ledger.view();
            let marks: Vec<_> =
                handed.into_iter().filter_map(|handed| mark(&view.fleet, handed)).collect();
            for some in marks.chunks(AT_ONCE) {
                let told = futures::future::join_all(some.iter().map(|mark| tell(api, mark))).await;
                // Nobody leads, or the leader cannot keep up: the rest would only wait as long each.
                if !told.contains(&true) {
                    break;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<CommandId>>> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is still to be noted of a delivery.
fn mark(fleet: &FleetState, (node_id, ids): (String, Vec<CommandId>)) -> Option<MarkDelivered> {
    let queued = |id: &CommandId| {
        fleet.command(id.as_str()).is_some_and(|command| command.state == CommandState::Queued)
    };
    let ids = ids.iter().filter(|id| queued(id)).map(ToString::to_string);
    let mark = MarkDelivered { node_id, command_ids: ids.collect() };
    (!mark.command_ids.is_empty()).then_some(mark)
}

/// Notes a delivery here or at the leader; answers whether it is noted.
async fn tell(api: &Api, mark: &MarkDelivered) -> bool {
    let deadline = api.clock().now() + LIMIT;
    let result = if api.ledger.standing().session().is_some() {
        propose(api, mark.clone(), LIMIT).await.map_err(|status| status.message().to_owned())
    } else {
        // A few ids always fit into a frame.
        let call = RelayedCall {
            path: PATH.to_owned(),
            frame: frame::encode(mark).unwrap_or_default(),
            ..RelayedCall::default()
        };
        let told = api.replica().relay(Bytes::from(call.encode_to_vec()), deadline).await;
        told.map(drop).map_err(|error| error.to_string())
    };
    if let Err(problem) = &result {
        tracing::debug!(node = mark.node_id, problem, "a delivery is not noted");
    }
    result.is_ok()
}

/// Notes a delivery in the log; on the leader only.
pub(super) async fn propose(
    api: &Api,
    mark: MarkDelivered,
    timeout: Duration,
) -> Result<(), Status> {
    let author = agent_author(&mark.node_id);
    let deadline = api.clock().now() + timeout;
    let proposed = api.ledger.propose(Kind::MarkDelivered(mark), &author, deadline).await;
    proposed.map(drop).map_err(|error| super::errors::from_propose(&error))
}
