//! Commands that call a group, against a replica of the test's own: what they ask, print and answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should panic"
)]

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
struct Replica {
    nodes: Mutex<BTreeMap<String, api::NodeInfo>>,
    issued: Mutex<Vec<api::IssueCommandRequest>>,
    beats: Mutex<HashMap<String, u32>>,
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
        Ok(Response::new(api::RegisterNodeResponse {
            success: true,
            ..Default::default()
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<api::HeartbeatRequest>,
    ) -> Answer<api::HeartbeatResponse> {
        let request = request.into_inner();
        if request.metrics.unwrap_or_default().gpu_metrics.len() == 8 {
            *self
                .beats
                .lock()
                .unwrap()
                .entry(request.node_id)
                .or_default() += 1;
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
        let next = first
            .as_ref()
            .filter(|_| more)
            .map(|node| node.node_id.clone());
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
            Some(node) => Ok(Response::new(api::GetNodeResponse {
                node: Some(node.clone()),
            })),
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
}

/// A served replica and its address.
struct Served {
    replica: Arc<Replica>,
    address: SocketAddr,
}

impl Served {
    async fn start() -> Self {
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

    fn add_nodes(&self, ids: &[&str]) {
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
    async fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_navarch"));
        command
            .args(line.split_whitespace())
            .env("NAVARCH_SERVER", self.address.to_string())
            .env("NAVARCH_AUTH_TOKEN", "secret")
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env_remove("RUST_LOG");
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    async fn json(&self, line: &str) -> Value {
        let output = self.run(line).await;
        assert_eq!(output.status.code(), Some(0), "{line}: {}", errors(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn data(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Without it a long list would end after its first page, or look different in one of the formats.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_whole_in_every_format() {
    let served = Served::start().await;
    let empty = served.run("list").await;
    assert_eq!(
        (data(&empty).as_str(), errors(&empty).trim()),
        ("", "no nodes")
    );
    assert_eq!(served.json("list -o json").await, serde_json::json!([]));
    served.add_nodes(&["n-1", "n-2", "n-3"]);
    let table = data(&served.run("list").await);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("ID   Status  Health"), "{table}");
    assert!(
        lines.len() == 4 && lines[3].starts_with("n-3  active  healthy"),
        "{table}"
    );
    assert!(!lines[0].contains("Reason"));
    assert!(data(&served.run("list -o wide").await).contains("Reason"));
    assert_eq!(data(&served.run("list -o name").await), "n-1\nn-2\nn-3\n");
    let list = served.json("list -o json").await;
    assert_eq!(list.as_array().unwrap().len(), 3);
    assert_eq!(list[0]["status"], "NODE_STATUS_ACTIVE");
    assert_eq!(list[0]["health_status"], "HEALTH_STATUS_HEALTHY");
    let yaml = data(&served.run("list -o yaml").await);
    let read: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(read, list);
    assert_eq!(
        served.json("list --provider other -o json").await,
        serde_json::json!([])
    );
}

/// Without it a refusal would look like success, or a missing node like a broken group.
#[tokio::test(flavor = "multi_thread")]
async fn answers_end_in_their_exit_codes() {
    let served = Served::start().await;
    served.add_nodes(&["n-1"]);
    assert_eq!(served.json("get n-1 -o json").await["node_id"], "n-1");
    let page = data(&served.run("get n-1").await);
    let fields: Vec<_> = page.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(fields, ["ID:", "n-1"], "{page}");
    for (line, code, said) in [
        ("get n-9", 3, "node n-9 is not known"),
        ("uncordon n-1", 1, "node is not cordoned"),
        ("pool list", 1, "unimplemented"),
        ("replica promote r9", 3, "there are r1, r2"),
    ] {
        let output = served.run(line).await;
        assert_eq!(
            output.status.code(),
            Some(code),
            "{line}: {}",
            errors(&output)
        );
        assert!(
            errors(&output).contains(said),
            "{line}: {}",
            errors(&output)
        );
        assert_eq!(data(&output), "", "{line}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_navarch"));
    command
        .args(["get", "n-1", "-s", &served.address.to_string()])
        .env_remove("NAVARCH_AUTH_TOKEN");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", errors(&output));
    assert!(
        errors(&output).contains("NAVARCH_AUTH_TOKEN"),
        "{}",
        errors(&output)
    );
}

/// Without it an order would reach the replica without its reason, deadline or parameters.
#[tokio::test(flavor = "multi_thread")]
async fn orders_carry_what_was_asked() {
    let served = Served::start().await;
    let cordon = served.json("cordon n-1 --reason maintenance -o json").await;
    assert_eq!(
        (&cordon["command_id"], &cordon["node_id"]),
        (&"c-1".into(), &"n-1".into())
    );
    assert_eq!(
        data(&served.run("drain n-1 --deadline 1h30m").await),
        "node n-1 is draining\n"
    );
    let send = "command send n-1 run-diagnostic test=dcgm level=3";
    assert_eq!(data(&served.run(&format!("{send} -o name")).await), "c-3\n");
    let issued = served.replica.issued.lock().unwrap().clone();
    let shown: Vec<_> = issued
        .iter()
        .map(|order| {
            let parameters: BTreeMap<_, _> = order.parameters.iter().collect();
            format!("{} {parameters:?}", order.command_type().as_str_name())
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"NODE_COMMAND_TYPE_CORDON {"reason": "maintenance"}"#,
            r#"NODE_COMMAND_TYPE_DRAIN {"deadline": "1h30m"}"#,
            r#"NODE_COMMAND_TYPE_RUN_DIAGNOSTIC {"level": "3", "test": "dcgm"}"#,
        ]
    );
}

/// Without it scripts that watch the group would miss a column of the contract.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_listed_as_the_contract_says() {
    let served = Served::start().await;
    let table = data(&served.run("replica list").await);
    let header: Vec<_> = table
        .lines()
        .next()
        .unwrap()
        .split("  ")
        .filter(|cell| !cell.is_empty())
        .collect();
    let header: Vec<_> = header.into_iter().map(str::trim).collect();
    assert_eq!(
        header,
        [
            "ID",
            "Name",
            "Address",
            "Role",
            "Voter",
            "Term",
            "Applied",
            "Lag",
            "Last contact"
        ]
    );
    let list = served.json("replica list -o json").await;
    for key in [
        "id",
        "name",
        "address",
        "role",
        "voter",
        "term",
        "applied_index",
        "lag",
        "last_contact_ms",
    ] {
        assert!(list[0].get(key).is_some(), "{key} is missing in {list}");
    }
    assert_eq!(list[1]["last_contact_ms"], 90);
    assert_eq!(
        served.json("replica transfer-leader --to r2 -o json").await["leader_id"],
        2
    );
}

/// Without it the figures of `bench` could be of other calls than the contract describes.
#[tokio::test(flavor = "multi_thread")]
async fn bench_makes_the_calls_it_counts() {
    let served = Served::start().await;
    let writes = served
        .json("bench writes --clients 4 --duration 300ms -o json")
        .await;
    let nodes = served.replica.nodes.lock().unwrap().len();
    assert_eq!(
        (writes["operation"].as_str(), writes["clients"].as_u64()),
        (Some("writes"), Some(4))
    );
    assert_eq!(writes["ok"].as_u64(), Some(nodes as u64));
    assert_eq!(
        (&writes["failed"], &writes["errors"]),
        (&0.into(), &serde_json::json!({}))
    );
    assert!(writes["latency_ms"]["p99"].as_f64().unwrap() > 0.0);

    let line = "bench heartbeats --nodes 50 --interval 100ms --duration 1s -o json";
    let beats = served.json(line).await;
    assert_eq!(
        (beats["ok"].as_u64(), beats["clients"].as_u64()),
        (Some(500), Some(50))
    );
    let counted = served.replica.beats.lock().unwrap().clone();
    assert_eq!(counted.len(), 50);
    assert!(counted.values().all(|count| *count == 10), "{counted:?}");

    let reads = served
        .json("bench reads --clients 2 --duration 200ms --consistency stale -o json")
        .await;
    assert!(
        reads["ok"].as_u64().unwrap() > 0 && reads["failed"] == 0,
        "{reads}"
    );
    let failed = served
        .run("bench writes -s 127.0.0.1:1 --timeout 1s --clients 1 --duration 100ms")
        .await;
    assert_eq!(failed.status.code(), Some(4), "{}", errors(&failed));
}
