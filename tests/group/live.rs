use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use navarch::client::{
    CallOptions, Client,
    rpc::{ListInstances, ListNodes, ListPools, ListReplicas},
};
use navarch_chaos::{
    Host,
    proc::{FleetFile, Group, GroupOptions},
    until,
};
use navarch_proto::api;
use serde_json::Value;

use crate::{LIMIT, Turn, group};

/// A group with a machine at a fake cloud that no scenario has made.
const FLEET: &str = "
providers:
  rack: {type: http, url: 'http://{cloud}'}
pools:
  precious: {provider: rack, instance_type: h100-8x, min_nodes: 1, max_nodes: 2}
";

/// Too short for anything to go wrong.
const TINY: &str = "\
name: tiny
duration: 12s
config:
  server: {heartbeat_interval: 1s, autoscale_interval: 1s, health_check_interval: 2s}
  providers: {cloud: {type: fake}}
  pools:
    training: {provider: cloud, instance_type: h100-8x, region: eu, min_nodes: 2, max_nodes: 3}
clouds:
  cloud: {boot_delay: 500ms, shutdown_delay: 500ms}
timeline:
  - {at: 5s, cordon: {pool: training, nodes: 1}}
  - {at: 6s, fail: {pool: training, nodes: 1, how: xid, xid: 14}}
assertions:
  - {at: 0s, within: 10s, pool: {name: training, size: 2}}
  - {event: {kind: node-cordoned, count: 1}}
  # Two nodes became healthy, and one of them degraded.
  - {event: {kind: node-health-changed, count: {min: 3}}}
  - {nothing_bought_twice: true}
";

fn navarch(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_navarch"));
    command.args(arguments).env_remove("NAVARCH_SERVER");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end of a process without holding up those that it calls.
async fn ended(child: Child) -> Output {
    tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Everything that a run asserted must have held.
fn assert_passed(output: &Output) -> Value {
    let run: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}\n{}", String::from_utf8_lossy(&output.stdout), stderr(output))
    });
    for one in run["assertions"].as_array().unwrap() {
        assert_eq!(one["passed"], true, "{one:#}\n{:#}", run["journal"]);
    }
    assert!(output.status.success(), "{}", stderr(output));
    assert_eq!((&run["mode"], &run["journal_hash"]), (&Value::from("live"), &Value::Null));
    run
}

async fn pools(client: &Client) -> Vec<api::PoolInfo> {
    let answer = client.call::<ListPools>(api::ListPoolsRequest {}, &CallOptions::default()).await;
    answer.unwrap().message.pools
}

async fn instances(client: &Client) -> Vec<api::InstanceInfo> {
    let request = api::ListInstancesRequest::default();
    let answer = client.call::<ListInstances>(request, &CallOptions::default()).await;
    answer.unwrap().message.instances
}

async fn nodes(client: &Client) -> Vec<api::NodeInfo> {
    let request = api::ListNodesRequest::default();
    let answer = client.call::<ListNodes>(request, &CallOptions::default()).await;
    answer.unwrap().message.nodes
}

async fn leader(client: &Client, group: &Group) -> usize {
    let request = api::ListReplicasRequest {};
    let answer = client.call::<ListReplicas>(request, &CallOptions::default()).await;
    let replicas = answer.unwrap().message.replicas;
    let leader = replicas.iter().find(|replica| replica.role == "leader");
    let name = &leader.expect("a group that answered has a leader").name;
    (0..group.len()).find(|&index| group.name(index) == name).expect("a replica of the group")
}

/// Waits until a pool holds that many machines, healthy ones alone.
async fn wait_for(host: &Host, client: &Client, count: u32) {
    until(host, "a pool of that size", LIMIT, || async {
        let options = CallOptions::default();
        let answer = client.call::<ListPools>(api::ListPoolsRequest {}, &options).await;
        let pools = answer.map_err(|error| error.to_string())?.message.pools;
        let there = pools.iter().any(|pool| (pool.size, pool.healthy_nodes) == (count, count));
        if there { Ok(()) } else { Err(format!("{pools:#?}")) }
    })
    .await
    .unwrap();
}

/// No machine may have been bought twice for one order, and none may be left. Answers how many there were.
fn assert_bought_once(folder: &Path) -> usize {
    let (mut orders, mut machines) = (BTreeSet::new(), BTreeSet::new());
    for cloud in ["first", "second"] {
        let ledger = fs::read_to_string(folder.join(format!("cloud-{cloud}.jsonl"))).unwrap();
        for line in ledger.lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            match entry["effect"].as_str() {
                Some("created") => {
                    assert!(orders.insert(text("idempotency_key")), "bought twice: {line}");
                    machines.insert(text("instance_id"));
                }
                Some("terminated") => {
                    assert!(machines.remove(&text("instance_id")), "ended twice: {line}");
                }
                _ => {}
            }
        }
    }
    assert!(machines.is_empty(), "left behind: {machines:?}");
    orders.len()
}

/// Without it a scenario would hold only as long as no leader dies, or a group would keep what it was played with.
#[tokio::test]
async fn a_scenario_holds_while_the_leader_is_killed_and_leaves_nothing() {
    let turn = Turn::take().await;
    // Nothing but an interval, which is no reason to refuse a scenario.
    let fleet =
        FleetFile { server: vec!["heartbeat_interval: 24h".to_owned()], sections: String::new() };
    let options = GroupOptions { fleet, ..group() };
    let mut group = Group::start(&turn.host, options).await.unwrap();
    let client = group.client().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (data, servers) = (folder.path().join("data"), group.addresses().join(","));
    let run = navarch(&[
        "sim",
        "run",
        "deploy/scenarios/live-smoke.yaml",
        "--live",
        "--server",
        &servers,
        "--data-dir",
        data.to_str().unwrap(),
        "-o",
        "json",
    ]);
    wait_for(&turn.host, &client, 2).await;
    let victim = leader(&client, &group).await;
    group.kill(victim).await.unwrap();
    // The load has come, and the survivors have bought for it.
    wait_for(&turn.host, &client, 4).await;
    group.start_replica(victim).unwrap();
    let output = ended(run).await;
    let run = assert_passed(&output);
    let machines = assert_bought_once(&data);
    assert_eq!(run["machines_bought"], machines, "{:#}", run["journal"]);
    assert_eq!((pools(&client).await, nodes(&client).await), (vec![], vec![]));
    // The records of the orders that the dry provider refused stay for a while, and are in nobody's way.
    let file = folder.path().join("tiny.yaml");
    fs::write(&file, TINY).unwrap();
    let file = file.to_str().unwrap();
    let arguments = ["sim", "run", file, "--live", "--server", &servers, "-o", "json"];
    assert_passed(&ended(navarch(&arguments)).await);
}

/// Without it somebody could lose a fleet by trying a scenario.
#[tokio::test]
async fn a_group_with_machines_is_refused_and_left_alone() {
    let turn = Turn::take().await;
    let fleet = FleetFile {
        server: ["heartbeat_interval: 1s", "autoscale_interval: 1s"].map(str::to_owned).into(),
        sections: FLEET.to_owned(),
    };
    let cloud = Some(vec!["--boot-delay".to_owned(), "200ms".to_owned()]);
    let options = GroupOptions { fleet, cloud, replicas: 1, ..group() };
    let group = Group::start(&turn.host, options).await.unwrap();
    let client = group.client().unwrap();
    wait_for(&turn.host, &client, 1).await;
    let before = (pools(&client).await, instances(&client).await);
    for force in [&[][..], &["--force"]] {
        let servers = group.addresses().join(",");
        let mut arguments = vec!["sim", "run", "live-smoke", "--live", "-s", &servers];
        arguments.extend(force);
        let output = ended(navarch(&arguments)).await;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in ["pool precious (1 machine)", "instance i-", "providers.rack", "--server"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    assert_eq!((pools(&client).await, instances(&client).await), before);
}

/// Without it a person without a group could not play anything live, or a group would be left running.
#[tokio::test]
async fn a_group_is_started_for_a_scenario_and_ends_with_it() {
    let _turn = Turn::take().await;
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("tiny.yaml"), folder.path().join("data"));
    fs::write(&file, TINY).unwrap();
    let (file, directory) = (file.to_str().unwrap(), data.to_str().unwrap());
    let arguments = ["sim", "run", file, "--live", "--data-dir", directory, "-o", "json"];
    let output = ended(navarch(&arguments)).await;
    assert_passed(&output);
    assert!(stderr(&output).contains("watch  navarch -s 127.0.0.1:"), "{}", stderr(&output));
    for replica in ["r1", "r2", "r3"] {
        assert!(data.join(replica).is_dir(), "{replica} has no data");
        assert!(!data.join(replica).join("pid").exists(), "{replica} was not stopped");
    }
}
