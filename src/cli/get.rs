use clap::Args;
use navarch_proto::api;

use super::{failure::Failure, invocation::Invocation};
use crate::client::rpc::GetNode;

/// `navarch get ID`
#[derive(Clone, Debug, Args)]
pub(crate) struct GetArguments {
    /// The node
    node_id: String,
}

impl GetArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let node = fetch(invocation, &self.node_id).await?;
        invocation.printer.one(&node)
    }
}

/// Reads one node.
pub(crate) async fn fetch(invocation: &Invocation, id: &str) -> Result<api::NodeInfo, Failure> {
    let request = api::GetNodeRequest { node_id: id.to_owned() };
    let answer = invocation.call::<GetNode>(&format!("read node {id}"), request).await?;
    answer
        .node
        .ok_or_else(|| Failure::refused(format!("cannot read node {id}: the answer holds no node")))
}
