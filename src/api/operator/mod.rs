//! `navarch.OperatorService`: pools, the fleet's configuration, node commands, journal and status.

mod apply_fleet;
mod forget_node;
mod get_command;
mod get_fleet_status;
mod get_pool;
mod list_commands;
mod list_events;
mod list_pools;
mod scale_pool;
mod watch_events;

use std::sync::Arc;

use futures::stream::BoxStream;
use navarch_proto::api::{
    ApplyFleetRequest, ApplyFleetResponse, FleetEvent, ForgetNodeRequest, ForgetNodeResponse,
    GetCommandRequest, GetCommandResponse, GetFleetStatusRequest, GetFleetStatusResponse,
    GetPoolRequest, GetPoolResponse, ListCommandsRequest, ListCommandsResponse, ListEventsRequest,
    ListEventsResponse, ListPoolsRequest, ListPoolsResponse, ScalePoolRequest, ScalePoolResponse,
    WatchEventsRequest, operator_service_server::OperatorService as Service,
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, async_trait};

use super::call::{Api, Call, serve};

/// The service over the handlers of this folder.
#[derive(Clone)]
pub(super) struct OperatorService {
    api: Arc<Api>,
    /// Ends open watches, which would hold up a graceful stop.
    stop: CancellationToken,
}

impl OperatorService {
    pub(super) fn new(api: &Arc<Api>, stop: CancellationToken) -> Self {
        Self { api: Arc::clone(api), stop }
    }
}

macro_rules! methods {
    ($($method:ident: $request:ty => $response:ty, $handler:path;)*) => {
        #[async_trait]
        impl Service for OperatorService {
            type WatchEventsStream = BoxStream<'static, Result<FleetEvent, Status>>;

            async fn watch_events(
                &self,
                request: Request<WatchEventsRequest>,
            ) -> Result<Response<Self::WatchEventsStream>, Status> {
                let (call, request) = Call::open(&self.api, request)?;
                watch_events::watch_events(call, request, self.stop.clone()).await
            }

            $(async fn $method(
                &self,
                request: Request<$request>,
            ) -> Result<Response<$response>, Status> {
                serve(&self.api, request, $handler).await
            })*
        }
    };
}

methods! {
    list_pools: ListPoolsRequest => ListPoolsResponse, list_pools::list_pools;
    get_pool: GetPoolRequest => GetPoolResponse, get_pool::get_pool;
    scale_pool: ScalePoolRequest => ScalePoolResponse, scale_pool::scale_pool;
    apply_fleet: ApplyFleetRequest => ApplyFleetResponse, apply_fleet::apply_fleet;
    get_command: GetCommandRequest => GetCommandResponse, get_command::get_command;
    list_commands: ListCommandsRequest => ListCommandsResponse, list_commands::list_commands;
    forget_node: ForgetNodeRequest => ForgetNodeResponse, forget_node::forget_node;
    list_events: ListEventsRequest => ListEventsResponse, list_events::list_events;
    get_fleet_status: GetFleetStatusRequest => GetFleetStatusResponse,
        get_fleet_status::get_fleet_status;
}
