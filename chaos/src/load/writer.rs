use std::{collections::BTreeMap, sync::Arc, time::Duration};

use navarch::client::{
    CallError, CallOptions, Client,
    rpc::{IssueCommand, RegisterNode},
};
use navarch_proto::api;
use tokio_util::sync::CancellationToken;

use super::{
    Scribe,
    history::{History, Order},
};
use crate::{history::Operation, host::Host};

/// Limit of a write. Far above any failover: what has no answer by then counts as failed.
const LIMIT: Duration = Duration::from_secs(25);

/// The label that carries a register's version.
pub(super) const VERSION_LABEL: &str = "version";

/// The set of nodes that are registered once.
pub(super) const NODES: &str = "nodes";

/// The set of orders, by their request ids.
pub(super) const ORDERS: &str = "orders";

/// Versions that one register gets before the next one takes its place: the history of each must stay one that
/// can be searched.
const VERSIONS: u64 = 500;

/// The parameter that carries the request id of an order.
pub(super) const REQUEST_PARAMETER: &str = "request";

/// One client that writes, one call after the other.
pub(super) struct Writer {
    pub(super) host: Host,
    pub(super) client: Client,
    pub(super) history: Arc<History>,
    pub(super) scribe: Scribe,
    /// What all ids of this client begin with.
    pub(super) prefix: String,
    /// Of ten writes so many register a new node; at most nine.
    pub(super) new_nodes: u64,
    /// Between two writes.
    pub(super) pause: Duration,
}

impl Writer {
    /// Writes until `stop`. Of ten writes `new_nodes` register a new node, one orders a diagnostic of its newest node, or of its
    /// register, and the others count the client's register up.
    pub(super) async fn run(self, stop: CancellationToken) {
        let (mut version, mut newest) = (0, None);
        for turn in 0_u64.. {
            if stop.is_cancelled() {
                return;
            }
            match turn % 10 {
                turn_of_ten if turn_of_ten < self.new_nodes => {
                    let node_id = format!("{}-n{turn}", self.prefix);
                    newest = self.register_once(node_id).await.or(newest);
                }
                0..9 => {
                    version += 1;
                    self.count_up(version).await;
                }
                _ => {
                    let register = (version > 0).then(|| self.register_id(version));
                    if let Some(node_id) = newest.take().or(register) {
                        self.order(node_id, turn).await;
                    }
                }
            }
            self.host.clock.sleep(self.pause).await;
        }
    }

    /// Registers a new node; answers its id once it is acknowledged.
    async fn register_once(&self, node_id: String) -> Option<String> {
        let element = node_id.clone();
        let call = self.scribe.asks(Operation::Add { set: NODES.to_owned(), element });
        let begun = self.host.clock.now();
        let told = self.register(&node_id, 1).await;
        self.scribe.is_told(call, told.as_ref().map(|index| (None, *index)));
        match told {
            Ok(_) => {
                self.history.has_node(node_id.clone(), begun);
                Some(node_id)
            }
            Err(error) => {
                self.history.failed_write(format!("register {node_id}: {error}"));
                None
            }
        }
    }

    async fn count_up(&self, version: u64) {
        let key = self.register_id(version);
        let call = self.scribe.asks(Operation::Write { key: key.clone(), value: version });
        let begun = self.host.clock.now();
        let told = self.register(&key, version).await;
        self.scribe.is_told(call, told.as_ref().map(|index| (None, *index)));
        match told {
            Ok(_) => self.history.has_register(&key, begun),
            Err(error) => {
                self.history.failed_write(format!("set {key} to {version}: {error}"));
            }
        }
    }

    /// The register that gets `version`.
    fn register_id(&self, version: u64) -> String {
        format!("{}-register-{}", self.prefix, version / VERSIONS)
    }

    /// Answers the index that the answer reflects.
    async fn register(&self, node_id: &str, version: u64) -> Result<Option<u64>, CallError> {
        let labels = BTreeMap::from([(VERSION_LABEL.to_owned(), version.to_string())]);
        let request = api::RegisterNodeRequest {
            node_id: node_id.to_owned(),
            provider: "chaos".to_owned(),
            region: "here".to_owned(),
            metadata: Some(api::NodeMetadata { labels, ..Default::default() }),
            ..Default::default()
        };
        let options = CallOptions::within(LIMIT);
        self.client.call::<RegisterNode>(request, &options).await.map(|told| told.applied_index)
    }

    /// Orders a diagnostic three times under one request id: twice at once, and once more when those are
    /// through.
    async fn order(&self, node_id: String, turn: u64) {
        let request_id = format!("{}-o{turn}", self.prefix);
        let request = api::IssueCommandRequest {
            node_id: node_id.clone(),
            command_type: api::NodeCommandType::RunDiagnostic.into(),
            parameters: [(REQUEST_PARAMETER.to_owned(), request_id.clone())].into(),
        };
        let options =
            CallOptions { request_id: Some(request_id.clone()), ..CallOptions::within(LIMIT) };
        let element = request_id.clone();
        let asked = self.scribe.asks(Operation::Add { set: ORDERS.to_owned(), element });
        let begun = self.host.clock.now();
        let call = || self.client.call::<IssueCommand>(request.clone(), &options);
        let (first, second) = futures::join!(call(), call());
        let third = call().await;
        match [&first, &second, &third].into_iter().find_map(|told| told.as_ref().ok()) {
            Some(answer) => self.scribe.is_told(asked, Ok((None, answer.applied_index))),
            // Of three tries one may have got through: it stays open.
            None => drop(asked),
        }
        let mut order = Order { node_id, request_id, ..Order::default() };
        let mut acknowledged = 0;
        for result in [first, second, third] {
            match result {
                Ok(answer) => {
                    acknowledged += 1;
                    order.command_ids.insert(answer.message.command_id);
                }
                Err(error) => {
                    self.history.failed_write(format!("order {}: {error}", order.request_id));
                }
            }
        }
        if order.command_ids.len() > 1 {
            let Order { request_id, command_ids, .. } = &order;
            self.history.violated(format!(
                "applied twice: order {request_id} was acknowledged under {command_ids:?}"
            ));
        }
        self.history.ordered(order, acknowledged, begun);
    }
}
