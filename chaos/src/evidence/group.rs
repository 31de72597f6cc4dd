//! The replicas' side of the story, asked of each of them.

use std::{collections::BTreeMap, time::Duration};

use futures::future::{join_all, try_join_all};
use navarch::client::{
    CallOptions, Client,
    rpc::{GetFleetStatus, ListInstances, ListPools},
};
use navarch_proto::api;

use crate::{
    checkers::states::AppliedState, error::ChaosError, host::Host, load::journal, proc::Group,
    wait::until,
};

/// Limit of one call.
const LIMIT: Duration = Duration::from_secs(25);
/// How long the replicas may take to have applied the same.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);
/// Looks at a group that is never quiet: states are compared where two happen to be at one index.
const LOOKS: usize = 40;

/// The journal of each replica, as far back as it is kept. All must serve.
///
/// # Errors
///
/// If a journal cannot be read.
pub async fn journals(group: &Group) -> Result<BTreeMap<String, Vec<api::FleetEvent>>, ChaosError> {
    let read = (0..group.len()).map(|index| async move {
        let events = journal(&group.client_of(index), 0).await?;
        Ok::<_, ChaosError>((group.name(index).to_owned(), events))
    });
    Ok(try_join_all(read).await?.into_iter().collect())
}

/// What the replicas have applied, once it is equally much. Nobody may write meanwhile.
///
/// # Errors
///
/// If they have not applied equally much within half a minute.
pub async fn equal_states(host: &Host, group: &Group) -> Result<Vec<AppliedState>, ChaosError> {
    until(host, "equal applied indices", SETTLE_LIMIT, || async {
        let states = states(group).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let equal = states.windows(2).all(|pair| pair[0].index == pair[1].index);
        if equal { Ok(states) } else { Err(format!("{states:?}")) }
    })
    .await
}

/// What replicas have applied, look after look, for a group whose controllers are never quite quiet.
pub async fn passing_states(host: &Host, group: &Group) -> Vec<AppliedState> {
    let mut seen = Vec::new();
    for _ in 0..LOOKS {
        seen.extend(states(group).await.into_iter().flatten());
        host.clock.sleep(Duration::from_millis(50)).await;
    }
    seen
}

async fn states(group: &Group) -> Vec<Result<AppliedState, String>> {
    let state = |index| async move { state(group.name(index), &group.client_of(index)).await };
    join_all((0..group.len()).map(state)).await
}

/// The hash of what `client`'s replica has applied, and the index up to which.
async fn state(replica: &str, client: &Client) -> Result<AppliedState, String> {
    let options = CallOptions { stale: true, ..CallOptions::within(LIMIT) };
    let request = api::GetFleetStatusRequest { include_state_hash: true };
    let answer = client.call::<GetFleetStatus>(request, &options).await;
    let status = answer.map_err(|error| error.to_string())?.message;
    let (index, hash) = (status.applied_index, status.state_hash);
    Ok(AppliedState { replica: replica.to_owned(), index, hash })
}

/// All instance records.
///
/// # Errors
///
/// If they cannot be listed.
pub async fn instances(client: &Client) -> Result<Vec<api::InstanceInfo>, ChaosError> {
    let request = api::ListInstancesRequest::default();
    let answer = client.call::<ListInstances>(request, &CallOptions::within(LIMIT)).await;
    Ok(answer.map_err(ChaosError::call("list the instances"))?.message.instances)
}

/// All pools.
///
/// # Errors
///
/// If they cannot be listed.
pub async fn pools(client: &Client) -> Result<Vec<api::PoolInfo>, ChaosError> {
    let request = api::ListPoolsRequest {};
    let answer = client.call::<ListPools>(request, &CallOptions::within(LIMIT)).await;
    Ok(answer.map_err(ChaosError::call("list the pools"))?.message.pools)
}
