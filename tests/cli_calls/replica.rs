use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use navarch_proto::api::{
    self,
    control_plane_service_server::{ControlPlaneService, ControlPlaneServiceServer},
    replica_service_server::{ReplicaService, ReplicaServiceServer},
};
use serde_json::Value;
use tonic::{Request, Response, Status, async_trait};

/// A replica that knows nodes, commands and nothing else.
#[derive(Default)]
pub(crate) struct Replica {
    pub(crate) nodes: Mutex<BTreeMap<String, api::NodeInfo>>,
    pub(crate) issued: Mutex<Vec<api::IssueCommandRequest>>,
    pub(crate) beats: Mutex<HashMap<String, u32>>,
}

type Answer<T> = Result<Response<T>, Status>;

fn none<T>() -> Answer<T> {
    Err(Status::unimplemented("not by this test's replica"))
}

#[async_trait]
impl ControlPlaneService for Replica {
    async fn register_node(
        &self,
        request: Request<api::RegisterNodeRequest>,
    ) -> Answer<api::RegisterNodeResponse> {
        let request = request.into_inner();
        let node = api::NodeInfo {
            node_id: request.node_id.clone(),
            provider: request.provider,
            region: request.region,
            gpus: request.gpus,
            metadata: request.metadata,
            status: api::NodeStatus::Active.into(),
            ..Default::default()
        };
        self.nodes.lock().unwrap().insert(request.node_id, node);
        Ok(Response::new(api::RegisterNodeResponse { success: true, ..Default::default() }))
    }

    async fn heartbeat(
        &self,
        request: Request<api::HeartbeatRequest>,
    ) -> Answer<api::HeartbeatResponse> {
        let request = request.into_inner();
        if request.metrics.unwrap_or_default().gpu_metrics.len() == 8 {
            *self.beats.lock().unwrap().entry(request.node_id).or_default() += 1;
        }
        Ok(Response::new(api::HeartbeatResponse::default()))
    }

    /// One node a page, to see the pages put together.
    async fn list_nodes(
        &self,
        request: Request<api::ListNodesRequest>,
    ) -> Answer<api::ListNodesResponse> {
        let request = request.into_inner();
        let nodes = self.nodes.lock().unwrap();
        let mut left = nodes
            .values()
            .filter(|node| node.node_id > request.page_token)
            .filter(|node| request.provider.is_empty() || node.provider == request.provider);
        let first = left.next().cloned();
        let more = left.next().is_some();
        let next = first.as_ref().filter(|_| more).map(|node| node.node_id.clone());
        Ok(Response::new(api::ListNodesResponse {
            nodes: first.into_iter().collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn get_node(
        &self,
        request: Request<api::GetNodeRequest>,
    ) -> Answer<api::GetNodeResponse> {
        if request.metadata().get("authorization").is_none() {
            return Err(Status::unauthenticated("no token"));
        }
        let id = request.into_inner().node_id;
        match self.nodes.lock().unwrap().get(&id) {
            Some(node) => Ok(Response::new(api::GetNodeResponse { node: Some(node.clone()) })),
            None => Err(Status::not_found(format!("node {id} is not known"))),
        }
    }

    async fn issue_command(
        &self,
        request: Request<api::IssueCommandRequest>,
    ) -> Answer<api::IssueCommandResponse> {
        let request = request.into_inner();
        if request.command_type() == api::NodeCommandType::Uncordon {
            return Err(Status::failed_precondition("node is not cordoned"));
        }
        let mut issued = self.issued.lock().unwrap();
        issued.push(request);
        Ok(Response::new(api::IssueCommandResponse {
            command_id: format!("c-{}", issued.len()),
            issued_at: None,
        }))
    }

    async fn report_health(
        &self,
        _: Request<api::ReportHealthRequest>,
    ) -> Answer<api::ReportHealthResponse> {
        none()
    }

    async fn send_heartbeat(
        &self,
        request: Request<api::HeartbeatRequest>,
    ) -> Answer<api::HeartbeatResponse> {
        self.heartbeat(request).await
    }

    async fn get_node_commands(
        &self,
        _: Request<api::GetNodeCommandsRequest>,
    ) -> Answer<api::GetNodeCommandsResponse> {
        none()
    }

    async fn poll_commands(
        &self,
        _: Request<api::PollCommandsRequest>,
    ) -> Answer<api::PollCommandsResponse> {
        none()
    }

    async fn ack_command(
        &self,
        _: Request<api::AckCommandRequest>,
    ) -> Answer<api::AckCommandResponse> {
        none()
    }

    async fn list_instances(
        &self,
        _: Request<api::ListInstancesRequest>,
    ) -> Answer<api::ListInstancesResponse> {
        Ok(Response::new(api::ListInstancesResponse::default()))
    }

    async fn get_instance(
        &self,
        _: Request<api::GetInstanceRequest>,
    ) -> Answer<api::GetInstanceResponse> {
        none()
    }
}

#[async_trait]
impl ReplicaService for Replica {
    async fn list_replicas(
        &self,
        _: Request<api::ListReplicasRequest>,
    ) -> Answer<api::ListReplicasResponse> {
        let replica = |id: u64, role: &str, last_contact_ms| api::ReplicaInfo {
            id,
            name: format!("r{id}"),
            address: format!("10.0.0.{id}:50052"),
            role: role.to_owned(),
            voter: true,
            term: 4,
            applied_index: 1_000,
            lag: 0,
            last_contact_ms,
            public_address: format!("10.0.0.{id}:50051"),
        };
        Ok(Response::new(api::ListReplicasResponse {
            replicas: vec![replica(1, "leader", None), replica(2, "follower", Some(90))],
            cluster_id: "c".to_owned(),
            leader_id: 1,
            answered_by: 1,
        }))
    }

    async fn add_replica(
        &self,
        _: Request<api::AddReplicaRequest>,
    ) -> Answer<api::AddReplicaResponse> {
        none()
    }

    async fn promote_replica(
        &self,
        _: Request<api::PromoteReplicaRequest>,
    ) -> Answer<api::PromoteReplicaResponse> {
        none()
    }

    async fn remove_replica(
        &self,
        _: Request<api::RemoveReplicaRequest>,
    ) -> Answer<api::RemoveReplicaResponse> {
        none()
    }

    async fn transfer_leader(
        &self,
        request: Request<api::TransferLeaderRequest>,
    ) -> Answer<api::TransferLeaderResponse> {
        let leader_id = request.into_inner().to;
        Ok(Response::new(api::TransferLeaderResponse { leader_id }))
    }

    type SaveSnapshotStream = tokio_stream::Empty<Result<api::SaveSnapshotResponse, tonic::Status>>;

    async fn save_snapshot(
        &self,
        _: Request<api::SaveSnapshotRequest>,
    ) -> Answer<Self::SaveSnapshotStream> {
        Ok(Response::new(tokio_stream::empty()))
    }
}

/// A served replica and its address.
pub(crate) struct Served {
    pub(crate) replica: Arc<Replica>,
    pub(crate) address: SocketAddr,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let replica = Arc::new(Replica::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(ControlPlaneServiceServer::from_arc(Arc::clone(&replica)))
            .add_service(ReplicaServiceServer::from_arc(Arc::clone(&replica)))
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self { replica, address }
    }

    pub(crate) fn add_nodes(&self, ids: &[&str]) {
        let mut nodes = self.replica.nodes.lock().unwrap();
        for id in ids {
            let node = api::NodeInfo {
                node_id: (*id).to_owned(),
                provider: "lambda".to_owned(),
                status: api::NodeStatus::Active.into(),
                health_status: api::HealthStatus::Healthy.into(),
                ..Default::default()
            };
            nodes.insert((*id).to_owned(), node);
        }
    }

    /// Runs the binary against this replica.
    pub(crate) async fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_navarch"));
        command
            .args(line.split_whitespace())
            .env("NAVARCH_SERVER", self.address.to_string())
            .env("NAVARCH_AUTH_TOKEN", "secret")
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env_remove("RUST_LOG");
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    pub(crate) async fn json(&self, line: &str) -> Value {
        let output = self.run(line).await;
        assert_eq!(output.status.code(), Some(0), "{line}: {}", errors(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn data(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
