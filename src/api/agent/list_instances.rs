use navarch_fleet::Instance;
use navarch_proto::api::{InstanceState, ListInstancesRequest, ListInstancesResponse};
use tonic::Status;

use crate::api::{
    call::{Answer, Call},
    page::{known_enum, page},
};

/// Lists instances, ordered by id.
pub(in crate::api) async fn list_instances(
    call: Call,
    request: ListInstancesRequest,
) -> Result<Answer<ListInstancesResponse>, Status> {
    let state = known_enum::<InstanceState>("state", request.state)?;
    let view = call.view().await?;
    let matching = view
        .fleet
        .instances_after(&request.page_token)
        .filter(|instance| matches(instance, &request, state));
    let (instances, next_page_token) = page(
        matching,
        request.page_size,
        |instance| instance.id.as_str().to_owned(),
        |instance| view.fleet.instance_info(instance),
    )?;
    Ok(Answer { message: ListInstancesResponse { instances, next_page_token }, index: view.index })
}

fn matches(instance: &Instance, request: &ListInstancesRequest, state: InstanceState) -> bool {
    let equal = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
    equal(&request.provider, instance.provider.as_str())
        && equal(&request.region, &instance.region)
        && equal(&request.pool_name, instance.pool.as_str())
        && (state == InstanceState::Unknown || state == instance.state.into())
}
