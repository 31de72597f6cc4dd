use std::{sync::Arc, time::Duration};

use navarch_host::Clock;
use navarch_proto::api::{control_plane_service_server::ControlPlaneService, *};
use tonic::{Request, Response, Status};

use super::{Call, Script};

pub struct Service {
    pub replica: String,
    pub script: Arc<Script>,
}

impl Service {
    /// Notes the call and answers what the script says, or an error it asks for.
    async fn enter<T>(&self, method: &'static str, request: &Request<T>) -> Result<(), Status> {
        let (delay, error) = {
            let mut state = self.script.lock();
            state.calls.push(Call {
                replica: self.replica.clone(),
                method,
                metadata: request.metadata().clone(),
            });
            let mine = state.errors.iter().position(|(replica, _)| *replica == self.replica);
            let error = mine.and_then(|index| state.errors.remove(index));
            (state.delay, error)
        };
        if !delay.is_zero() {
            Clock::system().sleep(delay).await;
        }
        match error {
            Some((_, error)) => Err(self.with_leader(error)),
            None => Ok(()),
        }
    }

    fn with_leader(&self, mut status: Status) -> Status {
        if let Some(leader) = &self.script.lock().leader {
            status.metadata_mut().insert("navarch-leader", leader.parse().unwrap());
        }
        status
    }

    fn answer<T>(&self, message: T) -> Result<Response<T>, Status> {
        let mut response = Response::new(message);
        let state = self.script.lock();
        let applied = state.calls.len().to_string();
        let metadata = response.metadata_mut();
        metadata.insert("navarch-applied-index", applied.parse().unwrap());
        if let Some(leader) = &state.leader {
            metadata.insert("navarch-leader", leader.parse().unwrap());
        }
        Ok(response)
    }

    fn known(&self, node_id: &str) -> Result<(), Status> {
        match self.script.lock().nodes.iter().any(|node| node == node_id) {
            true => Ok(()),
            false => Err(Status::not_found(format!("node {node_id} is not registered"))),
        }
    }

    async fn beat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        self.enter("Heartbeat", &request).await?;
        let request = request.into_inner();
        self.known(&request.node_id)?;
        let next_interval_ms = {
            let mut state = self.script.lock();
            state.heartbeats.push(request);
            state.next_interval_ms
        };
        self.answer(HeartbeatResponse { acknowledged: true, next_interval_ms })
    }
}

#[tonic::async_trait]
impl ControlPlaneService for Service {
    async fn register_node(
        &self,
        request: Request<RegisterNodeRequest>,
    ) -> Result<Response<RegisterNodeResponse>, Status> {
        self.enter("RegisterNode", &request).await?;
        let config = {
            let mut state = self.script.lock();
            state.nodes.push(request.get_ref().node_id.clone());
            state.registrations.push(request.into_inner());
            NodeConfig {
                health_check_interval_seconds: state.check_interval,
                heartbeat_interval_seconds: state.heartbeat_interval,
                enabled_health_checks: ["boot", "nvml", "xid"].map(str::to_owned).to_vec(),
            }
        };
        self.answer(RegisterNodeResponse {
            success: true,
            message: "welcome".to_owned(),
            config: Some(config),
        })
    }

    async fn report_health(
        &self,
        request: Request<ReportHealthRequest>,
    ) -> Result<Response<ReportHealthResponse>, Status> {
        self.enter("ReportHealth", &request).await?;
        self.known(&request.get_ref().node_id)?;
        let id = request.metadata().get("navarch-request-id").cloned();
        let lost = {
            let mut state = self.script.lock();
            // As a replica does it: what comes again under the same id is answered from memory.
            match id.as_ref().is_some_and(|id| state.report_ids.contains(id)) {
                true => state.swallowed.push(request.into_inner()),
                false => state.reports.push(request.into_inner()),
            }
            state.report_ids.extend(id);
            let lost = state.lose_reports > 0;
            state.lose_reports = state.lose_reports.saturating_sub(1);
            lost
        };
        if lost {
            return Err(Status::internal("the answer is lost"));
        }
        self.answer(ReportHealthResponse {
            acknowledged: true,
            node_status: NodeStatus::Active.into(),
        })
    }

    async fn send_heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        self.beat(request).await
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        self.beat(request).await
    }

    async fn get_node_commands(
        &self,
        _: Request<GetNodeCommandsRequest>,
    ) -> Result<Response<GetNodeCommandsResponse>, Status> {
        Err(Status::unimplemented("not in the toy"))
    }

    async fn poll_commands(
        &self,
        request: Request<PollCommandsRequest>,
    ) -> Result<Response<PollCommandsResponse>, Status> {
        self.enter("PollCommands", &request).await?;
        self.known(&request.get_ref().node_id)?;
        let queued = self.script.queued.notified();
        if self.script.lock().commands.is_empty() {
            let _ = Clock::system().timeout(Duration::from_secs(25), queued).await;
        }
        let commands = self.script.lock().commands.clone();
        self.answer(PollCommandsResponse { commands })
    }

    async fn ack_command(
        &self,
        request: Request<AckCommandRequest>,
    ) -> Result<Response<AckCommandResponse>, Status> {
        self.enter("AckCommand", &request).await?;
        let request = request.into_inner();
        {
            let mut state = self.script.lock();
            if state.lose_acknowledgements > 0 {
                state.lose_acknowledgements -= 1;
                return Err(Status::internal("lost"));
            }
            let known = state.commands.len();
            state.commands.retain(|command| command.command_id != request.command_id);
            if state.commands.len() == known {
                return Err(Status::not_found("no such command"));
            }
            let entry = (request.command_id, request.result, request.output, request.error);
            state.acknowledged.push(entry);
        }
        self.answer(AckCommandResponse { acknowledged: true })
    }

    async fn list_nodes(
        &self,
        request: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesResponse>, Status> {
        self.enter("ListNodes", &request).await?;
        let nodes = (0..request.get_ref().page_size)
            .map(|number| NodeInfo { node_id: format!("n{number:06}"), ..NodeInfo::default() });
        self.answer(ListNodesResponse { nodes: nodes.collect(), next_page_token: String::new() })
    }

    async fn get_node(
        &self,
        request: Request<GetNodeRequest>,
    ) -> Result<Response<GetNodeResponse>, Status> {
        self.enter("GetNode", &request).await?;
        let node_id = request.into_inner().node_id;
        self.known(&node_id)?;
        let node = Some(NodeInfo { node_id, ..NodeInfo::default() });
        self.answer(GetNodeResponse { node })
    }

    async fn issue_command(
        &self,
        _: Request<IssueCommandRequest>,
    ) -> Result<Response<IssueCommandResponse>, Status> {
        Err(Status::unimplemented("not in the toy"))
    }

    async fn list_instances(
        &self,
        _: Request<ListInstancesRequest>,
    ) -> Result<Response<ListInstancesResponse>, Status> {
        Err(Status::unimplemented("not in the toy"))
    }

    async fn get_instance(
        &self,
        _: Request<GetInstanceRequest>,
    ) -> Result<Response<GetInstanceResponse>, Status> {
        Err(Status::unimplemented("not in the toy"))
    }
}
