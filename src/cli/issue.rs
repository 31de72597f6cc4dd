use std::collections::BTreeMap;

use navarch_proto::api;
use serde_json::{Value, json};

use super::{
    choices::{CommandTypeChoice, short},
    failure::Failure,
    invocation::Invocation,
    output::message_value,
};
use crate::client::rpc::IssueCommand;

/// An order to a node, as it is sent.
pub(crate) struct Order {
    /// Which node.
    pub(crate) node_id: String,
    /// What to do.
    pub(crate) kind: CommandTypeChoice,
    /// How and why.
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Order {
    /// An order with a reason, where one is given.
    pub(crate) fn new(node_id: &str, kind: CommandTypeChoice, reason: Option<String>) -> Self {
        let parameters = reason.map(|reason| ("reason".to_owned(), reason));
        Self { node_id: node_id.to_owned(), kind, parameters: parameters.into_iter().collect() }
    }

    /// `cordon`, `run-diagnostic`, ...
    pub(crate) fn kind_name(&self) -> String {
        let kind = api::NodeCommandType::from(self.kind);
        short(kind.as_str_name(), "NODE_COMMAND_TYPE")
    }

    /// Sends the order.
    pub(crate) async fn send(
        &self,
        invocation: &Invocation,
    ) -> Result<api::IssueCommandResponse, Failure> {
        let request = api::IssueCommandRequest {
            node_id: self.node_id.clone(),
            command_type: api::NodeCommandType::from(self.kind).into(),
            parameters: self.parameters.clone().into_iter().collect(),
        };
        let what = format!("{} node {}", self.kind_name(), self.node_id);
        let mut options = invocation.call_options();
        if self.kind == CommandTypeChoice::Drain {
            // The answer waits for the workload system's.
            options.attempt_timeout = options.attempt_timeout.max(options.timeout / 2);
        }
        let answer = invocation.client()?.call::<IssueCommand>(request, &options).await;
        Ok(answer.map_err(|error| Failure::from_call(&what, &error))?.message)
    }

    /// Sends the order and says what became of it: `done`, like `node n-1 is cordoned`.
    pub(crate) async fn run(&self, invocation: &mut Invocation, done: &str) -> Result<(), Failure> {
        let answer = self.send(invocation).await?;
        let value = self.value(&answer)?;
        invocation.printer.result(done, &self.node_id, &value)
    }

    /// The answer as JSON, with the node that it is about.
    pub(crate) fn value(&self, answer: &api::IssueCommandResponse) -> Result<Value, Failure> {
        let mut value = message_value("navarch.IssueCommandResponse", answer)?;
        if let Value::Object(object) = &mut value {
            object.insert("node_id".to_owned(), json!(self.node_id));
        }
        Ok(value)
    }
}
