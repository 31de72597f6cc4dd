use navarch_proto::peer;
use tonic::Status;

use super::channels::Lane;
use crate::context::{Context, index_of};

/// Asks whoever answers at `address` who it is.
pub(crate) async fn say_hello(
    context: &Context,
    address: &str,
) -> Result<peer::HelloResponse, String> {
    let request =
        peer::HelloRequest { from: Some(context.identity()), name: context.config.name.clone() };
    let asked = async {
        let mut client = context.channels.client(address, Lane::Control)?;
        client.hello(request).await
    };
    match context.clock.timeout(context.config.timings.peer_call, asked).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(crate::tls::describe(&status)),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// Who this replica is, and what it knows about the one that asks.
pub(crate) fn answer_hello(
    context: &Context,
    request: &peer::HelloRequest,
) -> Result<peer::HelloResponse, Status> {
    let asker = request.from.clone().unwrap_or_default();
    let identity = context.identity();
    if !asker.cluster_id.is_empty()
        && !identity.cluster_id.is_empty()
        && asker.cluster_id != identity.cluster_id
    {
        return Err(Status::failed_precondition(format!(
            "this is cluster {}, the asker is of cluster {}",
            identity.cluster_id, asker.cluster_id
        )));
    }
    let config = &context.config;
    let mut response = peer::HelloResponse {
        formed: context.running().is_some(),
        identity: Some(identity),
        name: config.name.clone(),
        address: config.advertised.clone(),
        public_address: config.public_address.clone(),
        wall_clock_ms: context.callers_clock.wall_ms(),
        leader_id: context.leadership.borrow().leader.map_or(0, |leader| leader.0),
        bootstrap: config.bootstrap,
        initial_replicas: config
            .initial_replicas
            .iter()
            .map(|replica| replica.name.clone())
            .collect(),
        ..peer::HelloResponse::default()
    };
    if let Some(stored) = context.agreed_membership() {
        response.membership_index = index_of(&stored);
        for (&id, info) in stored.nodes() {
            if info.store_id == asker.store_id {
                response.asker_replica_id = id;
            } else if info.name == request.name {
                response.asker_name_taken_by = id;
            }
        }
    }
    Ok(response)
}
