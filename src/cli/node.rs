use clap::Subcommand;
use navarch_proto::api;
use serde_json::json;

use super::{failure::Failure, invocation::Invocation};
use crate::client::rpc::ForgetNode;

/// `navarch node ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Remove a standalone or terminated node from the records
    Forget {
        /// The node
        node_id: String,
    },
}

impl NodeCommand {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let Self::Forget { node_id } = self;
        let request = api::ForgetNodeRequest { node_id: node_id.clone() };
        let what = format!("forget node {node_id}");
        invocation.call::<ForgetNode>(&what, request).await?;
        let text = format!("node {node_id} is forgotten");
        invocation.printer.result(&text, &node_id, &json!({ "node_id": node_id }))
    }
}
