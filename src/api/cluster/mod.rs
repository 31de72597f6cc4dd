//! `navarch.ReplicaService`: the Raft group behind the control plane.

mod add_replica;
mod list_replicas;
mod promote_replica;
mod remove_replica;
mod transfer_leader;

use std::sync::Arc;

use navarch_proto::api::{
    AddReplicaRequest, AddReplicaResponse, ListReplicasRequest, ListReplicasResponse,
    PromoteReplicaRequest, PromoteReplicaResponse, RemoveReplicaRequest, RemoveReplicaResponse,
    TransferLeaderRequest, TransferLeaderResponse, replica_service_server::ReplicaService,
};
use tonic::{Request, Response, Status, async_trait};

use super::call::{Api, serve};

/// The service over the handlers of this folder.
#[derive(Clone)]
pub(super) struct ClusterService(Arc<Api>);

impl ClusterService {
    pub(super) fn new(api: &Arc<Api>) -> Self {
        Self(Arc::clone(api))
    }
}

macro_rules! methods {
    ($($method:ident: $request:ty => $response:ty, $handler:path;)*) => {
        #[async_trait]
        impl ReplicaService for ClusterService {
            $(async fn $method(
                &self,
                request: Request<$request>,
            ) -> Result<Response<$response>, Status> {
                serve(&self.0, request, $handler).await
            })*
        }
    };
}

methods! {
    list_replicas: ListReplicasRequest => ListReplicasResponse, list_replicas::list_replicas;
    add_replica: AddReplicaRequest => AddReplicaResponse, add_replica::add_replica;
    promote_replica: PromoteReplicaRequest => PromoteReplicaResponse,
        promote_replica::promote_replica;
    remove_replica: RemoveReplicaRequest => RemoveReplicaResponse, remove_replica::remove_replica;
    transfer_leader: TransferLeaderRequest => TransferLeaderResponse,
        transfer_leader::transfer_leader;
}
