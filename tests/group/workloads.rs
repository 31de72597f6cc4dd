use std::{
    collections::BTreeSet,
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use navarch::client::{
    CallOptions, Client,
    rpc::{GetNode, RegisterNode, ReportHealth},
};
use navarch_chaos::{
    proc::{FleetFile, Group, GroupOptions},
    until,
};
use navarch_proto::api;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{LIMIT, Turn, group};

/// A workload system: what it was told, and the nodes that it has emptied.
#[derive(Clone, Default)]
pub(crate) struct Workloads {
    told: Arc<Mutex<Vec<Value>>>,
    pub(crate) emptied: Arc<Mutex<BTreeSet<String>>>,
}

#[derive(Deserialize)]
struct Asked {
    node_id: String,
}

impl Workloads {
    /// Serves on a port of its own; its address.
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new()
            .route("/tell", post(Self::tell))
            .route("/drained", get(Self::drained))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    /// The node `busy` may not be drained.
    async fn tell(State(own): State<Self>, headers: HeaderMap, body: Bytes) -> Response {
        assert_eq!(headers["x-home"], std::env::var("HOME").unwrap());
        let told: Value = serde_json::from_slice(&body).unwrap();
        let refused = told["event"] == "drain" && told["node_id"] == "busy";
        own.told.lock().unwrap().push(told);
        if refused {
            let words = Json(json!({"message": "job 7 must not move"}));
            return (StatusCode::FORBIDDEN, words).into_response();
        }
        StatusCode::OK.into_response()
    }

    async fn drained(State(own): State<Self>, Query(asked): Query<Asked>) -> Json<Value> {
        let drained = own.emptied.lock().unwrap().contains(&asked.node_id);
        Json(json!({"drained": drained, "message": "no job is left"}))
    }

    /// The nodes that an event was told of, each once.
    pub(crate) fn told(&self, event: &str) -> BTreeSet<String> {
        let told = self.told.lock().unwrap();
        let of_kind = told.iter().filter(|one| one["event"] == event);
        of_kind.map(|one| one["node_id"].as_str().unwrap().to_owned()).collect()
    }

    /// The indexes and nodes of the health events, each once: one may be told again after a change of leader.
    fn health(&self) -> BTreeSet<(u64, String)> {
        let told = self.told.lock().unwrap();
        let of_kind = told.iter().filter(|one| one["event"] == "health");
        let indexed = of_kind.map(|one| {
            let node_id = one["node_id"].as_str().unwrap().to_owned();
            (one["event_index"].as_u64().unwrap(), node_id)
        });
        indexed.collect()
    }
}

fn options(address: &str) -> GroupOptions {
    let mut fleet = FleetFile::quiet();
    fleet.server.push(notifier(address));
    GroupOptions { fleet, ..group() }
}

/// The line that names it as the workload system.
pub(crate) fn notifier(address: &str) -> String {
    let url = |key: &str, path: &str| format!("{key}: \"http://{address}{path}\"");
    let urls = [
        url("cordon_url", "/tell"),
        url("uncordon_url", "/tell"),
        url("drain_url", "/tell"),
        url("drain_status_url", "/drained"),
        url("health_url", "/tell"),
    ];
    let headers = "headers: {X-Home: \"${HOME}\"}";
    format!("notifier: {{type: webhook, webhook: {{{}, {headers}}}}}", urls.join(", "))
}

/// Runs the command line against one replica.
pub(crate) async fn navarch(address: &str, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_navarch"));
    command.args(line.split_whitespace()).env("NAVARCH_SERVER", address);
    command.env("XDG_CONFIG_HOME", "/nonexistent").env_remove("RUST_LOG");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What a line of the command line ends with and says.
pub(crate) async fn said(address: &str, line: &str) -> String {
    let output = navarch(address, line).await;
    let said = [output.stdout, output.stderr].concat();
    format!("{} {}", output.status.code().unwrap(), String::from_utf8_lossy(&said))
}

async fn succeed(address: &str, line: &str) {
    let output = navarch(address, line).await;
    assert_eq!(output.status.code(), Some(0), "{line}: {}", errors(&output));
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn register(client: &Client, node_id: &str) {
    let request = api::RegisterNodeRequest { node_id: node_id.to_owned(), ..Default::default() };
    client.call::<RegisterNode>(request, &CallOptions::default()).await.unwrap();
}

/// Reports a failed check, or a good one.
pub(crate) async fn report(client: &Client, node_id: &str, status: api::HealthStatus) {
    let result = api::HealthCheckResult {
        check_name: "boot".to_owned(),
        status: status.into(),
        message: "as it is".to_owned(),
        ..Default::default()
    };
    let results = vec![result];
    let request =
        api::ReportHealthRequest { node_id: node_id.to_owned(), results, ..Default::default() };
    client.call::<ReportHealth>(request, &CallOptions::default()).await.unwrap();
}

async fn status(client: &Client, node_id: &str) -> api::NodeStatus {
    let request = api::GetNodeRequest { node_id: node_id.to_owned() };
    let answer = client.call::<GetNode>(request, &CallOptions::default()).await.unwrap();
    answer.message.node.unwrap().status()
}

/// Without it the workload system would hear nothing of a drain, its refusal would not reach the person who
/// asked, or a change of leader would swallow what it is told of nodes' health.
#[tokio::test]
async fn a_workload_system_is_told_and_heard_across_a_change_of_leader() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let workloads = Workloads::default();
    let address = workloads.serve().await;
    let mut group = Group::start(host, options(&address)).await.unwrap();
    let client = group.client().unwrap();
    for node_id in ["busy", "idle", "ill"] {
        register(&client, node_id).await;
    }
    let leader = group.leader(LIMIT).await.unwrap();
    let follower = group.address((leader + 1) % 3).to_owned();

    let refused = navarch(&follower, "drain busy --reason upgrade").await;
    assert_ne!(refused.status.code(), Some(0));
    let said = errors(&refused);
    assert!(said.contains("403 Forbidden: job 7 must not move"), "{said}");
    assert_eq!(status(&client, "busy").await, api::NodeStatus::Active);

    succeed(&follower, "cordon ill").await;
    succeed(&follower, "drain idle").await;
    assert!(workloads.told("drain").contains("idle"), "the answer waits for the notice");
    assert_eq!(status(&client, "idle").await, api::NodeStatus::Draining);
    report(&client, "ill", api::HealthStatus::Unhealthy).await;
    until(host, "the first notices", LIMIT, || async {
        let told = (workloads.told("cordon"), workloads.health());
        let done = told.0.contains("ill") && told.1.len() == 1;
        if done { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await
    .unwrap();

    group.kill(leader).await.unwrap();
    let client = group.client().unwrap();
    report(&client, "busy", api::HealthStatus::Healthy).await;
    workloads.emptied.lock().unwrap().insert("idle".to_owned());
    succeed(&follower, "drain idle --wait --timeout 60s").await;
    until(host, "what followed", LIMIT, || async {
        let health = workloads.health();
        if health.len() == 2 { Ok(()) } else { Err(format!("{health:?}")) }
    })
    .await
    .unwrap();
    let nodes: Vec<String> = workloads.health().into_iter().map(|(_, node)| node).collect();
    assert_eq!(nodes, ["ill", "busy"], "in order");
}
