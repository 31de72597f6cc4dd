use std::{collections::BTreeSet, fs, path::Path};

use navarch::client::{
    CallOptions, Client, Rpc,
    rpc::{AddReplica, GetFleetStatus, Heartbeat, ListInstances, ScalePool},
};
use navarch_chaos::{
    Host,
    proc::{FleetFile, Group, GroupOptions, http},
    until,
};
use navarch_proto::api;
use serde_json::Value;
use tokio::process::Command;

use crate::{LIMIT, Turn, group};

/// The pools of [`fleet`] and their minima.
const MINIMA: [(&str, u32); 2] = [("a", 2), ("b", 1)];

/// Two pools without an autoscaler at the fake cloud of the group, with times short enough to watch.
fn fleet() -> FleetFile {
    let server = ["heartbeat_interval: 1s", "autoscale_interval: 1s", "health_check_interval: 2s"];
    let sections = "
providers:
  cloud: {type: http, url: \"http://{cloud}\"}
pools:
  a: {provider: cloud, instance_type: h100-8x, region: eu, min_nodes: 2, max_nodes: 6}
  b: {provider: cloud, instance_type: a100-1x, region: eu, min_nodes: 1, max_nodes: 4}
instance_manager:
  stale_check_interval: 1s
";
    FleetFile { server: server.map(str::to_owned).into(), sections: sections.to_owned() }
}

async fn call<R: Rpc>(client: &Client, request: R::Request) -> Result<R::Response, String> {
    let answer = client.call::<R>(request, &CallOptions::within(LIMIT)).await;
    answer.map(|answer| answer.message).map_err(|error| error.to_string())
}

async fn status(client: &Client) -> Result<api::GetFleetStatusResponse, String> {
    call::<GetFleetStatus>(client, api::GetFleetStatusRequest::default()).await
}

async fn scale(client: &Client, pool: &str, nodes: u32) {
    let request = api::ScalePoolRequest { name: pool.to_owned(), nodes, hold_ms: None };
    call::<ScalePool>(client, request).await.unwrap();
}

/// Waits until the pools run so many machines, and no other record has one.
async fn wait_for(host: &Host, client: &Client, wanted: [(&str, u32); 2]) {
    until(host, "the pools' sizes", LIMIT, || async {
        let pools = status(client).await?.pools;
        let sizes: Vec<_> = pools.iter().map(|pool| (&*pool.name, pool.running)).collect();
        let settled = pools.iter().all(|pool| pool.occupancy == pool.running);
        if sizes == wanted && settled { Ok(()) } else { Err(format!("{pools:#?}")) }
    })
    .await
    .unwrap();
}

/// What the cloud's own ledger says was bought and given back, in order.
async fn ledger(host: &Host, group: &Group) -> Vec<(String, String)> {
    let answer = http::get(host, &group.cloud_address(), "/v1/ledger", LIMIT).await.unwrap();
    let lines = answer.body.lines().filter(|line| !line.is_empty());
    let entries = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    entries
        .filter(|entry| entry["effect"] != "none")
        .map(|entry| (text(&entry["effect"]), text(&entry["instance_id"])))
        .collect()
}

/// The machines that the ledger says are paid for.
async fn paid_for(host: &Host, group: &Group) -> BTreeSet<String> {
    let mut live = BTreeSet::new();
    for (effect, machine) in ledger(host, group).await {
        match effect.as_str() {
            "created" => assert!(live.insert(machine), "bought twice"),
            "terminated" => assert!(live.remove(&machine), "given back twice"),
            other => panic!("an unknown effect {other}"),
        }
    }
    live
}

/// The machines that the records say are paid for.
async fn recorded(client: &Client) -> BTreeSet<String> {
    let answer = call::<ListInstances>(client, api::ListInstancesRequest::default()).await.unwrap();
    let gone = i32::from(api::InstanceState::Terminated);
    let held = answer.instances.into_iter().filter(|one| one.state != gone);
    held.map(|one| one.provider_ref).collect()
}

/// Runs the program; answers its exit code and what it printed, stdout first.
async fn navarch(group: &Group, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_navarch"))
        .args(["--server", &group.addresses().join(",")])
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn assert_ends(ended: &(i32, String, String), code: i32, part: &str) {
    let said = format!("{}{}", ended.1, ended.2);
    assert!(ended.0 == code && said.contains(part), "code {code}, {part:?}: {ended:?}");
}

/// Files that must not pass for a snapshot, each with a code of its own.
async fn assert_bad_files_are_told(group: &Group, good: &Path) {
    let bad = good.with_extension("bad");
    let path = bad.to_str().unwrap();
    let mut bytes = fs::read(good).unwrap();
    let place = bytes.len() - 20;
    bytes[place] ^= 0x04;
    fs::write(&bad, &bytes).unwrap();
    let inspected = navarch(group, &["snapshot", "inspect", path]).await;
    assert_ends(&inspected, 1, "does not match its BLAKE3 hash");
    fs::write(&bad, &bytes[..place]).unwrap();
    assert_ends(&navarch(group, &["snapshot", "inspect", path]).await, 1, "damaged");
    fs::write(&bad, "kind: Deployment\n").unwrap();
    assert_ends(&navarch(group, &["snapshot", "inspect", path]).await, 2, "is no snapshot");
    fs::remove_file(&bad).unwrap();
    assert_ends(&navarch(group, &["snapshot", "inspect", path]).await, 3, "cannot read");
}

/// Saves a snapshot of the group and looks at it: its path.
async fn save(group: &Group) -> std::path::PathBuf {
    let path = group.directory().join("fleet.snapshot");
    let file = path.to_str().unwrap();
    let saved = navarch(group, &["snapshot", "save", file]).await;
    assert_ends(&saved, 0, "3 nodes, 3 instances, 2 pools");
    assert_ends(&navarch(group, &["snapshot", "save", file]).await, 1, "exists already");
    let again = navarch(group, &["snapshot", "save", file, "--force", "--stale"]).await;
    assert_ends(&again, 0, "saved");
    let inspected = navarch(group, &["snapshot", "inspect", file, "-o", "json"]).await;
    assert_ends(&inspected, 0, "body_blake3");
    let value: Value = serde_json::from_str(&inspected.1).unwrap();
    assert_eq!(value["replicas"].as_array().unwrap().len(), 3, "{value}");
    assert_eq!(value["instances_by_state"]["INSTANCE_STATE_RUNNING"], 3, "{value}");
    assert_eq!(value["pools"][0]["target"], 2, "{value}");
    assert_ends(&navarch(group, &["snapshot", "inspect", file]).await, 0, "LogTime:");
    assert_bad_files_are_told(group, &path).await;
    path
}

/// Restores `file` as replica 0, and takes the others up again.
async fn restore(group: &mut Group, host: &Host, file: &Path) {
    let config = group.directory().join("r1.yaml").display().to_string();
    let arguments = ["snapshot", "restore", file.to_str().unwrap(), "--config", &config];
    let taken = [&arguments[..], &["--yes-take-over"]].concat();
    let elsewhere = group.directory().join("elsewhere").display().to_string();
    let early = [&taken[..], &["--data-dir", &elsewhere]].concat();
    assert_ends(&navarch(group, &early).await, 1, "replicas answer: r1 at");
    for index in 0..group.len() {
        group.terminate(index).await.unwrap();
    }
    assert_ends(&navarch(group, &taken).await, 1, "is not empty");
    for index in 0..group.len() {
        group.wipe(index).unwrap();
    }
    assert_ends(&navarch(group, &arguments).await, 2, "--yes-take-over");
    assert_ends(&navarch(group, &taken).await, 0, "begins with replica r1");
    for index in 0..group.len() {
        group.start_replica(index).unwrap();
    }
    group.wait_ready(0, LIMIT).await.unwrap();
    let client = group.client_of(0);
    for index in 1..group.len() {
        let request = api::AddReplicaRequest {
            name: group.name(index).to_owned(),
            address: group.peer_address(index).to_owned(),
            voter: true,
        };
        until(host, "a further replica", LIMIT, || call::<AddReplica>(&client, request.clone()))
            .await
            .unwrap();
        group.wait_ready(index, LIMIT).await.unwrap();
    }
}

/// Waits until controllers have had a pass since `at` and have stood still in it.
async fn wait_for_standstill(host: &Host, client: &Client, at: prost_types::Timestamp) {
    const MOVERS: [&str; 8] = [
        "autoscaler",
        "lost-nodes",
        "orphans",
        "provisioner",
        "replacer",
        "scale-down",
        "stale-instances",
        "terminator",
    ];
    until(host, "passes that do nothing", LIMIT, || async {
        let reports = status(client).await?.controllers;
        let stood = |name: &&str| {
            reports.iter().any(|one| {
                let since = one
                    .finished_at
                    .is_some_and(|ended| (ended.seconds, ended.nanos) > (at.seconds, at.nanos));
                one.controller == **name && since && one.summary.starts_with("stands still")
            })
        };
        if MOVERS.iter().all(stood) { Ok(()) } else { Err(format!("{reports:#?}")) }
    })
    .await
    .unwrap();
}

/// Without it a restored fleet would give back what it forgot, buy it again, or pay for it for ever.
#[tokio::test]
async fn a_restored_fleet_takes_up_what_it_does_not_know() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let cloud = Some(vec!["--boot-delay".to_owned(), "200ms".to_owned()]);
    let options = GroupOptions { fleet: fleet(), cloud, ..group() };
    let mut group = Group::start(host, options).await.unwrap();
    let client = group.client().unwrap();
    wait_for(host, &client, MINIMA).await;
    let before = status(&client).await.unwrap();
    let file = save(&group).await;
    scale(&client, "a", 4).await;
    wait_for(host, &client, [("a", 4), ("b", 1)]).await;
    let bought = ledger(host, &group).await;
    let old_group = group.standing(0).await.unwrap().cluster_id;

    restore(&mut group, host, &file).await;
    let client = group.client().unwrap();
    until(host, "the adoption", LIMIT, || async {
        let now = status(&client).await?;
        let adopted = now.adopt_mode.as_ref().map_or(0, |mode| mode.adopted);
        let running: u32 = now.pools.iter().map(|pool| pool.running).sum();
        if (adopted, running) == (2, 5) { Ok(()) } else { Err(format!("{now:#?}")) }
    })
    .await
    .unwrap();
    let now = status(&client).await.unwrap();
    assert_eq!(now.cluster_id, before.cluster_id, "the machines' label stays");
    assert_ne!(group.standing(0).await.unwrap().cluster_id, old_group, "the group is another");
    let beat = api::HeartbeatRequest { node_id: "old-agent".to_owned(), ..Default::default() };
    assert!(call::<Heartbeat>(&client, beat).await.unwrap_err().contains("not registered"));
    scale(&client, "b", 2).await;
    let at = status(&client).await.unwrap().log_time.unwrap();
    wait_for_standstill(host, &client, at).await;
    assert_eq!(ledger(host, &group).await, bought, "bought or given back in adopt mode");
    let shown = navarch(&group, &["status"]).await;
    assert_ends(&shown, 0, "2 machines adopted; 1 agents beat unregistered (old-agent)");

    let forecast = navarch(&group, &["snapshot", "end-adoption", "--dry-run", "-o", "json"]).await;
    assert_ends(&forecast, 0, "to_buy");
    let forecast: Value = serde_json::from_str(&forecast.1).unwrap();
    let pools = &forecast["pools"];
    assert_eq!((&pools[0]["to_terminate"], &pools[0]["size"]), (&2.into(), &4.into()), "{pools}");
    assert_eq!(pools[1]["to_buy"], 1, "{pools}");
    assert_eq!(forecast["objections"], Value::Array(Vec::new()));
    assert!(status(&client).await.unwrap().adopt_mode.is_some());
    assert_ends(&navarch(&group, &["snapshot", "end-adoption"]).await, 2, "--yes");
    let ended = navarch(&group, &["snapshot", "end-adoption", "--yes"]).await;
    assert_ends(&ended, 0, "adopt mode has ended");
    wait_for(host, &client, [("a", 2), ("b", 2)]).await;
    assert_eq!(paid_for(host, &group).await, recorded(&client).await, "ledger = records");
    assert!(status(&client).await.unwrap().adopt_mode.is_none());
    let ended = navarch(&group, &["snapshot", "end-adoption", "--yes"]).await;
    assert_ends(&ended, 1, "not in adopt mode");
}
