use clap::Args;
use navarch_proto::api;

use super::{
    choices::{NodeStatusChoice, parse_pair},
    failure::Failure,
    invocation::Invocation,
};
use crate::client::rpc::ListNodes;

/// Nodes asked for at a time: far below the size limit of an answer, few enough calls for a large fleet.
const PAGE_SIZE: u32 = 5_000;

/// `navarch list`
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArguments {
    /// Only nodes of this provider
    #[arg(long)]
    provider: Option<String>,
    /// Only nodes in this region
    #[arg(long)]
    region: Option<String>,
    /// Only nodes with this status
    #[arg(long, value_enum, ignore_case = true)]
    status: Option<NodeStatusChoice>,
    /// Only nodes of this pool
    #[arg(long)]
    pool: Option<String>,
    /// Only nodes with this label; may be repeated
    #[arg(long = "label", value_name = "K=V", value_parser = parse_pair)]
    labels: Vec<(String, String)>,
}

impl ListArguments {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let client = invocation.client()?;
        let mut request = self.into_request();
        let mut nodes = Vec::new();
        loop {
            let answer =
                invocation.call_on::<ListNodes>(&client, "list the nodes", request.clone()).await?;
            nodes.extend(answer.nodes);
            if answer.next_page_token.is_empty() {
                break;
            }
            request.page_token = answer.next_page_token;
        }
        invocation.printer.list(&nodes, "no nodes")
    }

    fn into_request(self) -> api::ListNodesRequest {
        let status = self.status.map(api::NodeStatus::from).unwrap_or_default();
        api::ListNodesRequest {
            provider: self.provider.unwrap_or_default(),
            region: self.region.unwrap_or_default(),
            status: status.into(),
            pool: self.pool.unwrap_or_default(),
            labels: self.labels.into_iter().collect(),
            page_size: PAGE_SIZE,
            page_token: String::new(),
        }
    }
}
