//! `navarch.ControlPlaneService`: what agents and the original's command line call.

mod ack_command;
mod get_instance;
mod get_node;
mod get_node_commands;
mod heartbeat;
mod issue_command;
mod judge;
mod list_instances;
mod list_nodes;
mod poll_commands;
mod register_node;
mod report_health;

use std::sync::Arc;

use navarch_proto::api::{
    AckCommandRequest, AckCommandResponse, GetInstanceRequest, GetInstanceResponse,
    GetNodeCommandsRequest, GetNodeCommandsResponse, GetNodeRequest, GetNodeResponse,
    HeartbeatRequest, HeartbeatResponse, IssueCommandRequest, IssueCommandResponse,
    ListInstancesRequest, ListInstancesResponse, ListNodesRequest, ListNodesResponse,
    PollCommandsRequest, PollCommandsResponse, RegisterNodeRequest, RegisterNodeResponse,
    ReportHealthRequest, ReportHealthResponse, control_plane_service_server::ControlPlaneService,
};
use tonic::{Request, Response, Status, async_trait};

pub(super) use self::judge::Judge;
use super::call::{Api, serve};

/// Who a node call is journalled as.
fn agent_author(node_id: &str) -> crate::ledger::Author {
    crate::ledger::Author::caller(format!("agent:{node_id}"))
}

/// The service over the handlers of this folder.
#[derive(Clone)]
pub(super) struct AgentService(Arc<Api>);

impl AgentService {
    pub(super) fn new(api: &Arc<Api>) -> Self {
        Self(Arc::clone(api))
    }
}

/// One method: open the call, run its handler.
macro_rules! methods {
    ($($method:ident: $request:ty => $response:ty, $handler:path;)*) => {
        #[async_trait]
        impl ControlPlaneService for AgentService {
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
    register_node: RegisterNodeRequest => RegisterNodeResponse, register_node::register_node;
    report_health: ReportHealthRequest => ReportHealthResponse, report_health::report_health;
    send_heartbeat: HeartbeatRequest => HeartbeatResponse, heartbeat::heartbeat;
    heartbeat: HeartbeatRequest => HeartbeatResponse, heartbeat::heartbeat;
    get_node_commands: GetNodeCommandsRequest => GetNodeCommandsResponse,
        get_node_commands::get_node_commands;
    poll_commands: PollCommandsRequest => PollCommandsResponse, poll_commands::poll_commands;
    ack_command: AckCommandRequest => AckCommandResponse, ack_command::ack_command;
    list_nodes: ListNodesRequest => ListNodesResponse, list_nodes::list_nodes;
    get_node: GetNodeRequest => GetNodeResponse, get_node::get_node;
    issue_command: IssueCommandRequest => IssueCommandResponse, issue_command::issue_command;
    list_instances: ListInstancesRequest => ListInstancesResponse, list_instances::list_instances;
    get_instance: GetInstanceRequest => GetInstanceResponse, get_instance::get_instance;
}
