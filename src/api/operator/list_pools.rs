use navarch_proto::api::{ListPoolsRequest, ListPoolsResponse};
use tonic::Status;

use super::get_pool::shown;
use crate::api::call::{Answer, Call};

/// Lists pools, ordered by name.
pub(in crate::api) async fn list_pools(
    call: Call,
    _: ListPoolsRequest,
) -> Result<Answer<ListPoolsResponse>, Status> {
    let view = call.view().await?;
    let pools = view.fleet.pools().map(|pool| shown(&view.fleet, pool)).collect();
    Ok(Answer { message: ListPoolsResponse { pools }, index: view.index })
}
