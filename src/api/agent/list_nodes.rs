use navarch_fleet::Node;
use navarch_proto::api::{ListNodesRequest, ListNodesResponse, NodeStatus};
use tonic::Status;

use crate::api::{
    call::{Answer, Call},
    page::{known_enum, page},
};

/// Lists nodes, ordered by id.
pub(in crate::api) async fn list_nodes(
    call: Call,
    request: ListNodesRequest,
) -> Result<Answer<ListNodesResponse>, Status> {
    let status = known_enum::<NodeStatus>("status", request.status)?;
    let view = call.view().await?;
    let matching =
        view.fleet.nodes_after(&request.page_token).filter(|node| matches(node, &request, status));
    let (nodes, next_page_token) = page(
        matching,
        request.page_size,
        |node| node.id.as_str().to_owned(),
        |node| call.api.node_info(&view, node),
    )?;
    Ok(Answer { message: ListNodesResponse { nodes, next_page_token }, index: view.index })
}

fn matches(node: &Node, request: &ListNodesRequest, status: NodeStatus) -> bool {
    let equal = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
    equal(&request.provider, &node.provider)
        && equal(&request.region, &node.region)
        && equal(&request.pool, node.pool.as_ref().map_or("", |pool| pool.as_str()))
        && (status == NodeStatus::Unknown || status == node.status())
        && (request.labels.is_empty() || carries(node, request))
}

/// Labels are kept encoded, so they are looked at last.
fn carries(node: &Node, request: &ListNodesRequest) -> bool {
    let labels = node.inventory().metadata.unwrap_or_default().labels;
    request.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
}
