use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use navarch::fake_cloud::agents::AgentOptions;
use navarch_host::{Clock, SystemSpawner, TaskHandle};
use navarch_proto::api::{
    self,
    control_plane_service_server::{ControlPlaneService, ControlPlaneServiceServer},
};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::support::{Cloud, body, eventually, lines};

/// What a control plane was told.
#[derive(Default)]
struct Heard {
    registered: BTreeMap<String, api::RegisterNodeRequest>,
    registrations: usize,
    beats: Vec<(String, Duration)>,
    reports: HashSet<String>,
    /// Delivered to every poll of their node until acknowledged twice: the first acknowledgement is lost.
    commands: Vec<(String, api::NodeCommand)>,
    acknowledgements: Vec<String>,
}

/// As much of a control plane as an agent can see.
#[derive(Clone)]
struct Replica {
    heard: Arc<Mutex<Heard>>,
    clock: Clock,
}

fn known(heard: &Heard, node_id: &str) -> Result<(), Status> {
    if heard.registered.contains_key(node_id) { Ok(()) } else { Err(Status::not_found(node_id)) }
}

/// `async_trait` does not see into macros, so these methods are written as it would write them.
macro_rules! unimplemented_methods {
    ($($name:ident($request:ident) -> $response:ident;)+) => {$(
        fn $name<'a, 'b>(
            &'a self,
            _request: Request<api::$request>,
        ) -> BoxFuture<'b, Result<Response<api::$response>, Status>>
        where
            'a: 'b,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
        }
    )+};
}

#[tonic::async_trait]
impl ControlPlaneService for Replica {
    async fn register_node(
        &self,
        request: Request<api::RegisterNodeRequest>,
    ) -> Result<Response<api::RegisterNodeResponse>, Status> {
        let request = request.into_inner();
        let mut heard = self.heard.lock().unwrap();
        heard.registrations += 1;
        heard.registered.insert(request.node_id.clone(), request);
        Ok(Response::new(api::RegisterNodeResponse {
            success: true,
            message: String::new(),
            config: Some(api::NodeConfig {
                health_check_interval_seconds: 60,
                heartbeat_interval_seconds: 30,
                enabled_health_checks: vec!["boot".to_owned()],
            }),
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<api::HeartbeatRequest>,
    ) -> Result<Response<api::HeartbeatResponse>, Status> {
        let request = request.into_inner();
        let mut heard = self.heard.lock().unwrap();
        known(&heard, &request.node_id)?;
        assert_eq!(request.metrics.unwrap().gpu_metrics.len(), 1);
        let at = Duration::from_millis(self.clock.wall_ms());
        heard.beats.push((request.node_id, at));
        Ok(Response::new(api::HeartbeatResponse { acknowledged: true, next_interval_ms: 10_000 }))
    }

    async fn report_health(
        &self,
        request: Request<api::ReportHealthRequest>,
    ) -> Result<Response<api::ReportHealthResponse>, Status> {
        let request = request.into_inner();
        let mut heard = self.heard.lock().unwrap();
        known(&heard, &request.node_id)?;
        assert_eq!(request.results[0].check_name, "boot");
        heard.reports.insert(request.node_id);
        Ok(Response::new(api::ReportHealthResponse::default()))
    }

    async fn poll_commands(
        &self,
        request: Request<api::PollCommandsRequest>,
    ) -> Result<Response<api::PollCommandsResponse>, Status> {
        let node_id = request.into_inner().node_id;
        for _ in 0..200 {
            let commands: Vec<_> = {
                let heard = self.heard.lock().unwrap();
                known(&heard, &node_id)?;
                let of_node = heard.commands.iter().filter(|(node, _)| *node == node_id);
                of_node.map(|(_, command)| command.clone()).collect()
            };
            if !commands.is_empty() {
                return Ok(Response::new(api::PollCommandsResponse { commands }));
            }
            self.clock.sleep(Duration::from_millis(100)).await;
        }
        Ok(Response::new(api::PollCommandsResponse::default()))
    }

    async fn ack_command(
        &self,
        request: Request<api::AckCommandRequest>,
    ) -> Result<Response<api::AckCommandResponse>, Status> {
        let request = request.into_inner();
        let mut heard = self.heard.lock().unwrap();
        heard.acknowledgements.push(request.command_id.clone());
        let times = heard.acknowledgements.iter().filter(|id| **id == request.command_id);
        if times.count() == 1 {
            return Err(Status::internal("the first acknowledgement is lost"));
        }
        heard.commands.retain(|(_, command)| command.command_id != request.command_id);
        Ok(Response::new(api::AckCommandResponse { acknowledged: true }))
    }

    unimplemented_methods! {
        send_heartbeat(HeartbeatRequest) -> HeartbeatResponse;
        get_node_commands(GetNodeCommandsRequest) -> GetNodeCommandsResponse;
        list_nodes(ListNodesRequest) -> ListNodesResponse;
        get_node(GetNodeRequest) -> GetNodeResponse;
        issue_command(IssueCommandRequest) -> IssueCommandResponse;
        list_instances(ListInstancesRequest) -> ListInstancesResponse;
        get_instance(GetInstanceRequest) -> GetInstanceResponse;
    }
}

/// A replica, and a fake cloud whose agents call it.
async fn start() -> (Cloud, Arc<Mutex<Heard>>, TaskHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let cloud = Cloud::start_with(|options| {
        options.agents = Some(AgentOptions::new(vec![address]));
    })
    .await;
    let heard = Arc::new(Mutex::new(Heard::default()));
    let replica = Replica { heard: Arc::clone(&heard), clock: cloud.clock.clone() };
    let serving = Server::builder()
        .add_service(ControlPlaneServiceServer::new(replica))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let task = SystemSpawner::current().spawn("replica", async move {
        serving.await.unwrap();
    });
    (cloud, heard, task)
}

/// Without it a machine of the fake cloud would never become a node, or not the one that was ordered.
#[tokio::test]
async fn agents_register_beat_and_report() {
    let (cloud, heard, _replica) = start().await;
    let mut order = body("p", "l4-1x");
    order["labels"]["navarch.instance"] = json!("i-1");
    order["labels"]["navarch.provider"] = json!("mine");
    let id = cloud.order("i-1", &order).await.id();
    assert_eq!(heard.lock().unwrap().registrations, 0, "the machine has to boot first");
    eventually(&cloud.time, async || {
        let heard = heard.lock().unwrap();
        heard.beats.len() >= 6 && heard.reports.contains(&id)
    })
    .await;
    let beats = lines(&cloud.get("/v1/admin/beats").await.text);
    let [one] = &beats[..] else { panic!("{beats:?}") };
    assert_eq!((&one["node_id"], one["stretches"].as_array().unwrap().len()), (&json!(id), 1));
    let heard = heard.lock().unwrap();
    let node = &heard.registered[&id];
    let labels = &node.metadata.as_ref().unwrap().labels;
    assert_eq!((labels["pool"].as_str(), labels["navarch.instance"].as_str()), ("p", "i-1"));
    assert_eq!((node.provider.as_str(), node.gpus.len()), ("mine", 1));
    // The first pause is any part of an interval.
    for pair in heard.beats[1..].windows(2) {
        let interval = (pair[1].1 - pair[0].1).as_secs_f64();
        // Told 10 s; a twentieth is jitter, the rest the coarse steps of the clock here.
        assert!((9.4..12.5).contains(&interval), "{interval} s, not the interval that was told");
    }
}

/// Without it an agent would stay away after the control plane forgot it.
#[tokio::test]
async fn agents_register_again_when_not_known() {
    let (cloud, heard, _replica) = start().await;
    cloud.order("i-1", &body("p", "l4-1x")).await;
    let beaten = async || !heard.lock().unwrap().beats.is_empty();
    eventually(&cloud.time, beaten).await;
    heard.lock().unwrap().registered.clear();
    eventually(&cloud.time, async || heard.lock().unwrap().registrations == 2).await;
}

/// Without it a command would be lost, or executed again when its acknowledgement was.
#[tokio::test]
async fn commands_are_executed_once_and_receipted() {
    let (cloud, heard, _replica) = start().await;
    let id = cloud.order("i-1", &body("p", "l4-1x")).await.id();
    let command = api::NodeCommand {
        command_id: "c-1".to_owned(),
        r#type: api::NodeCommandType::RunDiagnostic.into(),
        ..api::NodeCommand::default()
    };
    heard.lock().unwrap().commands.push((id.clone(), command));
    eventually(&cloud.time, async || heard.lock().unwrap().acknowledgements.len() == 2).await;
    let acknowledged = async || {
        let receipts = lines(&cloud.get("/v1/admin/receipts").await.text);
        receipts.first().is_some_and(|receipt| receipt["acknowledgements"] == 1)
    };
    eventually(&cloud.time, acknowledged).await;
    let receipts = lines(&cloud.get("/v1/admin/receipts").await.text);
    assert_eq!(receipts.len(), 1);
    let receipt = &receipts[0];
    assert_eq!((&receipt["node_id"], &receipt["command_id"]), (&json!(id), &json!("c-1")));
    assert_eq!(receipt["type"], "NODE_COMMAND_TYPE_RUN_DIAGNOSTIC");
    assert_eq!((&receipt["deliveries"], &receipt["executions"]), (&json!(2), &json!(1)));
}

/// Without it the loss of a node could not be tried out, or a dead machine would go on beating.
#[tokio::test]
async fn agents_fall_silent_with_their_machines_and_come_back() {
    let (cloud, heard, _replica) = start().await;
    let mut ids = Vec::new();
    for key in ["killed", "ended", "kept"] {
        ids.push(cloud.order(key, &body("p", "l4-1x")).await.id());
    }
    let beating = |ids: &[String]| {
        let heard = heard.lock().unwrap();
        let beating: HashSet<&String> = heard.beats.iter().map(|(id, _)| id).collect();
        beating == ids.iter().collect()
    };
    eventually(&cloud.time, async || beating(&ids)).await;
    let kill = format!("/v1/admin/instances/{}/kill", ids[0]);
    assert_eq!(cloud.send(Method::POST, &kill, &[], "").await.status, 200);
    assert_eq!(cloud.delete(&ids[1]).await.status, 202);
    // A beat may have been under way.
    cloud.time.advance(Duration::from_millis(1)).await;
    heard.lock().unwrap().beats.clear();
    eventually(&cloud.time, async || heard.lock().unwrap().beats.len() > 3).await;
    assert!(beating(&ids[2..]));
    let revive = format!("/v1/admin/instances/{}/revive", ids[0]);
    assert_eq!(cloud.send(Method::POST, &revive, &[], "").await.status, 200);
    heard.lock().unwrap().beats.clear();
    let back = [ids[0].clone(), ids[2].clone()];
    eventually(&cloud.time, async || beating(&back)).await;
}

/// Without it machines would be silent after the fake cloud itself was restarted, or killed agents come back.
#[tokio::test]
async fn agents_run_again_after_a_restart() {
    let (cloud, heard, _replica) = start().await;
    let kept = cloud.order("kept", &body("p", "l4-1x")).await.id();
    let killed = cloud.order("killed", &body("p", "l4-1x")).await.id();
    eventually(&cloud.time, async || heard.lock().unwrap().registrations == 2).await;
    let kill = format!("/v1/admin/instances/{killed}/kill");
    assert_eq!(cloud.send(Method::POST, &kill, &[], "").await.status, 200);
    let (folder, time) = cloud.stop().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let cloud = Cloud::start_in(folder, time, |options| {
        options.agents = Some(AgentOptions::new(vec![address]));
    })
    .await;
    let fresh = Arc::new(Mutex::new(Heard::default()));
    let replica = Replica { heard: Arc::clone(&fresh), clock: cloud.clock.clone() };
    let serving = Server::builder()
        .add_service(ControlPlaneServiceServer::new(replica))
        .serve_with_incoming(TcpListenerStream::new(listener));
    SystemSpawner::current().spawn("replica", async move {
        serving.await.unwrap();
    });
    eventually(&cloud.time, async || fresh.lock().unwrap().beats.len() > 2).await;
    let fresh = fresh.lock().unwrap();
    assert_eq!(fresh.registered.keys().collect::<Vec<_>>(), [&kept]);
}
