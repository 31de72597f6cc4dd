use std::{sync::Arc, time::Duration};

use navarch_cluster::Replica;
use navarch_fleet::{Node, NodeId};
use navarch_host::{Clock, Moment, Spawner};
use navarch_proto::{
    api::{ControllerReport, NodeInfo},
    fleet::{RequestKey, proposal::Kind},
};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use uuid::Builder;

use super::{
    call_series::CallSeries, deliveries::Deliveries, errors, exposition::Exposition,
    health_series::HealthSeries, listener::ListenerCounts, register_pace::RegisterPace,
    waiters::Waiters, watchers::Watchers,
};
use crate::{
    ledger::{Author, Committed, Ledger, View},
    liveness::Liveness,
    scaling::Autoscalers,
};

/// Answers the last reports of the leader's controllers.
pub type ControllerReports = Arc<dyn Fn() -> Vec<ControllerReport> + Send + Sync>;

/// What all handlers share.
pub struct Api {
    pub(super) ledger: Ledger,
    replica: Replica,
    pub(super) liveness: Arc<Liveness>,
    pub(super) judge: crate::health::Judge,
    pub(super) waiters: Arc<Waiters>,
    pub(super) deliveries: Deliveries,
    pub(super) register_pace: RegisterPace,
    pub(super) watchers: Arc<Watchers>,
    /// Cancelled when this replica closes its port: waits end early.
    pub(super) closing: CancellationToken,
    pub(super) reports: ControllerReports,
    pub(super) calls: CallSeries,
    pub(super) health: HealthSeries,
    pub(super) connections: Arc<ListenerCounts>,
    pub(super) exposition: Exposition,
    pub(super) autoscalers: Autoscalers,
    pub(super) spawner: Arc<dyn Spawner>,
}

/// What an [`Api`] is made of.
pub struct ApiParts {
    /// The log and the state.
    pub ledger: Ledger,
    /// The replica underneath: relaying, membership, status.
    pub replica: Replica,
    /// Who was heard from when.
    pub liveness: Arc<Liveness>,
    /// The last reports of the leader's controllers.
    pub reports: ControllerReports,
    /// Cancelled when this replica closes its port.
    pub closing: CancellationToken,
    /// The public port's connections.
    pub connections: Arc<ListenerCounts>,
    /// Which autoscaler each pool goes by, to make its last decision again.
    pub autoscalers: Autoscalers,
    /// Starts threads for what goes through the whole fleet.
    pub spawner: Arc<dyn Spawner>,
}

impl Api {
    /// Handlers over `parts`.
    pub fn new(parts: ApiParts) -> Arc<Self> {
        let ApiParts { ledger, replica, liveness, reports, closing, .. } = parts;
        Arc::new(Self {
            ledger,
            replica,
            liveness,
            judge: crate::health::Judge::default(),
            waiters: Arc::default(),
            deliveries: Deliveries::default(),
            register_pace: RegisterPace::default(),
            watchers: Arc::default(),
            closing,
            reports,
            calls: CallSeries::default(),
            health: HealthSeries::default(),
            connections: parts.connections,
            exposition: Exposition::default(),
            autoscalers: parts.autoscalers,
            spawner: parts.spawner,
        })
    }

    /// Wakes waiting polls as commands are queued and has deliveries noted, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let waiters = Arc::clone(&self.waiters).run(self.ledger.clone(), stop.clone());
        let deliveries = stop.run_until_cancelled(self.deliveries.run(&self));
        tokio::join!(waiters, deliveries);
    }

    pub(super) fn clock(&self) -> &Clock {
        self.ledger.clock()
    }

    pub(super) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// A fresh id that sorts by time (UUID v7).
    pub(super) fn new_id(&self) -> String {
        let random: [u8; 10] = rand::random();
        Builder::from_unix_timestamp_millis(self.clock().wall_ms(), &random).into_uuid().to_string()
    }

    /// A node as the wire shows it, with the last heartbeat that this replica knows of.
    pub(super) fn node_info(&self, view: &View, node: &Node) -> NodeInfo {
        node.to_info(self.liveness.last_seen(&view.fleet, node.number))
    }
}

/// Who was admitted at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Principal {
    Operator,
    Agent,
}

impl Principal {
    /// How it is called in request keys and in relayed calls.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Agent => "agent",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "operator" => Some(Self::Operator),
            "agent" => Some(Self::Agent),
            _ => None,
        }
    }
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consistency {
    /// Holds everything acknowledged before the call, anywhere.
    Linearizable,
    /// Whatever this replica has applied.
    Stale,
}

/// What the gate learned of a call; travels in the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct CallContext {
    pub principal: Principal,
    pub request_id: Arc<str>,
    pub deadline: Moment,
    pub consistency: Consistency,
    /// An earlier attempt under this request id may have taken effect.
    pub may_be_retry: bool,
}

/// One call, as a handler gets it.
pub(super) struct Call {
    pub api: Arc<Api>,
    pub context: CallContext,
}

/// A handler's answer, and the log index that it reflects.
pub(super) struct Answer<T> {
    pub message: T,
    pub index: u64,
}

impl Call {
    /// Proposes in the caller's name.
    pub(super) async fn propose(&self, kind: Kind, author: &Author) -> Result<Committed, Status> {
        let proposed = self.api.ledger.propose(kind, author, self.context.deadline).await;
        proposed.map_err(|error| errors::from_propose(&error))
    }

    /// A state as fresh as the caller asked for.
    pub(super) async fn view(&self) -> Result<View, Status> {
        match self.context.consistency {
            Consistency::Stale => Ok(self.api.ledger.view()),
            Consistency::Linearizable => {
                let view = self.api.ledger.linearizable_view(self.context.deadline).await;
                view.map_err(|error| errors::from_read(&error))
            }
        }
    }

    /// An operator's authorship, under the call's request id: a retry is answered, not carried out again.
    pub(super) fn operator_once(&self, method: &str, message: &impl Message) -> Author {
        let author = Author::caller(self.context.principal.name());
        author.under(self.request_key(method, message))
    }

    /// Under what a call's outcome is remembered.
    pub(super) fn request_key(&self, method: &str, message: &impl Message) -> RequestKey {
        let payload_hash = blake3::hash(&message.encode_to_vec()).as_bytes().to_vec().into();
        RequestKey {
            principal: self.context.principal.name().to_owned(),
            method: method.to_owned(),
            request_id: self.context.request_id.to_string(),
            payload_hash,
        }
    }
}

/// Refuses a node id that no node can have, before it is echoed, looked up or logged.
pub(super) fn require_node_id(node_id: &str) -> Result<(), Status> {
    match NodeId::new(node_id) {
        Ok(_) => Ok(()),
        Err(error) => Err(Status::invalid_argument(format!("node_id: {error}"))),
    }
}

/// The error for a node that is not in the records and should register, after this time: agents that know
/// `google.rpc.RetryInfo` keep to it.
pub(super) fn register_after(node_id: &str, wait: Duration) -> Status {
    let message = unknown_node(node_id).message().to_owned();
    let details = ErrorDetails::with_retry_info(Some(wait));
    Status::with_error_details(Code::NotFound, message, details)
}

/// The error for a node that is not in the records.
pub(super) fn unknown_node(node_id: &str) -> Status {
    Status::not_found(format!("node {node_id:?} is not registered; register it first"))
}
