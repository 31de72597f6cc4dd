use std::collections::BTreeMap;

use navarch::client::{CallOptions, Client, rpc::ListNodes};
use navarch_proto::api;

use super::reader::version_of;
use crate::error::ChaosError;

/// Nodes asked for at once.
const PAGE: u32 = 5_000;

/// What a replica has of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The version in its label.
    pub(super) version: u64,
    /// How many registrations took effect.
    pub(super) incarnation: u64,
}

/// All nodes of `client`'s replica that this crate registered, by linearizable reads.
pub(super) async fn nodes(client: &Client) -> Result<BTreeMap<String, Found>, ChaosError> {
    let (mut found, mut page_token) = (BTreeMap::new(), String::new());
    loop {
        let request = api::ListNodesRequest { page_size: PAGE, page_token, ..Default::default() };
        let answer = client.call::<ListNodes>(request, &CallOptions::default()).await;
        let page = answer.map_err(ChaosError::call("list all nodes"))?.message;
        for node in page.nodes {
            if let Some(version) = version_of(Some(&node)) {
                found.insert(node.node_id, Found { version, incarnation: node.incarnation });
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(found);
        }
    }
}
