use std::{collections::BTreeSet, fs, time::Duration};

use navarch::client::{
    CallOptions, Client,
    rpc::{ListEvents, ListInstances, ListPools},
};
use navarch_chaos::{
    Host,
    proc::{FleetFile, Group, GroupOptions, http},
    until,
};
use navarch_proto::api;

use crate::{
    LIMIT, Turn, group,
    workloads::{Workloads, notifier, said},
};

/// The original-style file that people are shown.
const FILE: &str = "deploy/examples/two-pools.yaml";

/// The pools of [`FILE`] and their minima.
const MINIMA: [(&str, u32); 2] = [("inference", 3), ("training", 2)];

/// The example with the fake cloud of the group as its provider, and with times short enough to watch.
fn two_pools() -> FleetFile {
    let text = fs::read_to_string(FILE).unwrap();
    let at = text.find("\nproviders:").expect("the example has providers");
    let (fake, http) = ("type: fake\n    gpu_count: 8", "type: http\n    url: \"http://{cloud}\"");
    assert!(text.contains(fake), "the example has one fake provider");
    let manager = "\ninstance_manager:\n  stale_check_interval: 1s\n";
    let server = ["heartbeat_interval: 1s", "autoscale_interval: 1s", "health_check_interval: 2s"];
    FleetFile {
        server: server.map(str::to_owned).into(),
        sections: text[at..].replace(fake, http) + manager,
    }
}

/// What is being given back may take its time: a cloud that does not know a machine is not believed at once.
fn settled(pool: &api::PoolInfo) -> bool {
    let sizes = (pool.running, pool.size, pool.healthy_nodes);
    sizes == (pool.min_nodes, pool.min_nodes, pool.min_nodes)
}

/// Waits until both pools hold their minimum, neither more nor less.
async fn wait_for_minima(host: &Host, client: &Client) {
    until(host, "pools at their minimum", LIMIT, || async {
        let options = CallOptions::default();
        let answer = client.call::<ListPools>(api::ListPoolsRequest {}, &options);
        let pools = answer.await.map_err(|error| error.to_string())?.message.pools;
        let minima: Vec<_> = pools.iter().map(|pool| (&*pool.name, pool.min_nodes)).collect();
        if minima == MINIMA && pools.iter().all(settled) {
            Ok(())
        } else {
            Err(format!("{pools:#?}"))
        }
    })
    .await
    .unwrap();
}

async fn running(client: &Client, pool: &str) -> Vec<api::InstanceInfo> {
    let request = api::ListInstancesRequest {
        pool_name: pool.to_owned(),
        state: api::InstanceState::Running.into(),
        ..Default::default()
    };
    let answer = client.call::<ListInstances>(request, &CallOptions::default()).await;
    answer.unwrap().message.instances
}

/// Waits until `gone` runs no more and the pools hold their minimum again.
async fn wait_for_replacement(host: &Host, client: &Client, gone: &api::InstanceInfo) {
    until(host, "the replacement of an instance", LIMIT, || async {
        let instances = running(client, &gone.pool_name).await;
        let ids: BTreeSet<_> = instances.into_iter().map(|one| one.instance_id).collect();
        if ids.contains(&gone.instance_id) { Err(format!("{ids:?}")) } else { Ok(()) }
    })
    .await
    .unwrap();
    wait_for_minima(host, client).await;
}

/// Kills the agent of a machine; `machine` says what becomes of the machine itself.
async fn kill(host: &Host, group: &Group, instance: &api::InstanceInfo, machine: &str) {
    let path = format!("/v1/admin/instances/{}/kill", instance.provider_ref);
    let body = format!("{{\"machine\": \"{machine}\"}}");
    let answer = http::post(host, &group.cloud_address(), (&path, &body), LIMIT).await;
    assert_eq!(answer.unwrap().status, 200);
}

/// What the journal tells of a subject.
async fn journal(client: &Client, subject: &str) -> Vec<api::FleetEvent> {
    let request = api::ListEventsRequest { subject: subject.to_owned(), ..Default::default() };
    let answer = client.call::<ListEvents>(request, &CallOptions::default()).await;
    answer.unwrap().message.events
}

/// The journal must say that a controller did `kind` to `subject`, and why.
async fn assert_told(client: &Client, subject: &str, kind: &str) {
    let events = journal(client, subject).await;
    let told = events.iter().find(|event| event.kind == kind);
    let told = told.unwrap_or_else(|| panic!("no {kind} of {subject}: {events:#?}"));
    assert!(told.actor.starts_with("controller:"), "{told:?}");
    assert!(!told.reason.is_empty(), "{told:?}");
    println!("{kind} of {subject} by {}: {}", told.actor, told.reason);
}

/// Without it the main job would be undone: machines that are gone would stay gone.
#[tokio::test]
async fn pools_come_to_their_minimum_and_back_to_it() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let cloud = Some(vec!["--boot-delay".to_owned(), "200ms".to_owned()]);
    let options = GroupOptions { fleet: two_pools(), cloud, ..group() };
    let group = Group::start(host, options).await.unwrap();
    let client = group.client().unwrap();
    wait_for_minima(host, &client).await;

    let silenced = running(&client, "training").await.remove(0);
    kill(host, &group, &silenced, "stays").await;
    wait_for_replacement(host, &client, &silenced).await;
    assert_told(&client, &format!("node/{}", silenced.node_id), "node-lost").await;
    let instance = format!("instance/{}", silenced.instance_id);
    assert_told(&client, &instance, "instance-terminating").await;

    let vanished = running(&client, "inference").await.remove(0);
    kill(host, &group, &vanished, "vanishes").await;
    wait_for_replacement(host, &client, &vanished).await;
    let instance = format!("instance/{}", vanished.instance_id);
    let events = journal(&client, &instance).await;
    let last = events.last().expect("the journal tells of the instance");
    assert!(last.actor.starts_with("controller:") && !last.reason.is_empty(), "{events:#?}");
    println!("{} of {instance} by {}: {}", last.kind, last.actor, last.reason);
    assert_bought_once(host, &group).await;
}

/// The orders whose machines the cloud sold and took back; none may have been sold or taken back twice.
async fn dealings(host: &Host, group: &Group) -> [BTreeSet<String>; 2] {
    let address = group.cloud_address();
    let ledger = http::get(host, &address, "/v1/ledger", Duration::from_secs(10));
    let ledger = ledger.await.unwrap().body;
    let mut dealings = [BTreeSet::new(), BTreeSet::new()];
    for line in ledger.lines().filter(|line| !line.is_empty()) {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        for (orders, effect) in dealings.iter_mut().zip(["created", "terminated"]) {
            if entry["effect"] == effect {
                let key = entry["idempotency_key"].as_str().unwrap().to_owned();
                assert!(orders.insert(key), "{effect} twice: {line}");
            }
        }
    }
    dealings
}

/// No machine may have been bought twice for one order.
async fn assert_bought_once(host: &Host, group: &Group) {
    let [bought, _] = dealings(host, group).await;
    assert_eq!(bought.len(), 7, "five machines and two replacements: {bought:?}");
}

/// A provider and a pool that stay, and a pool that goes.
const STAYS: &str = "
providers:
  cloud: {type: http, url: 'http://{cloud}'}
pools:
  stays: {provider: cloud, instance_type: h100-8x, region: eu, min_nodes: 1, max_nodes: 4}
";
const GOES: &str =
    "  goes: {provider: cloud, instance_type: h100-8x, region: eu, min_nodes: 3, max_nodes: 4}\n";

/// The pools with the machines that are not known to be gone; those on their way out are marked.
async fn occupancies(client: &Client) -> Result<Vec<String>, String> {
    let options = CallOptions::default();
    let answer = client.call::<ListPools>(api::ListPoolsRequest {}, &options).await;
    let pools = answer.map_err(|error| error.to_string())?.message.pools;
    let show = |pool: api::PoolInfo| {
        let mark = if pool.retiring { " retiring" } else { "" };
        format!("{} {}/{}{mark}", pool.name, pool.running, pool.occupancy)
    };
    Ok(pools.into_iter().map(show).collect())
}

async fn wait_for_occupancies(host: &Host, client: &Client, wanted: &[&str]) {
    until(host, "the pools to come to that", LIMIT, || async {
        let is = occupancies(client).await?;
        if is == wanted { Ok(()) } else { Err(format!("{is:?}")) }
    })
    .await
    .unwrap();
}

/// Without it a pool that an operator removes would be left half drained by a leader that dies, or leave machines behind
/// that nobody knows and everybody pays for.
#[tokio::test]
async fn a_pool_is_removed_with_its_machines_over_a_change_of_leader() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let workloads = Workloads::default();
    let server = [
        "heartbeat_interval: 1s".to_owned(),
        "autoscale_interval: 1s".to_owned(),
        notifier(&workloads.serve().await),
    ];
    let sections = format!("{STAYS}{GOES}");
    let fleet = FleetFile { server: server.to_vec(), sections };
    let cloud = Some(vec!["--boot-delay".to_owned(), "200ms".to_owned()]);
    let mut group = Group::start(host, GroupOptions { fleet, cloud, ..group() }).await.unwrap();
    let client = group.client().unwrap();
    wait_for_occupancies(host, &client, &["goes 3/3", "stays 1/1"]).await;
    let going: BTreeSet<_> =
        running(&client, "goes").await.into_iter().map(|one| one.instance_id).collect();

    let file = group.directory().join("without.yaml");
    let lines = server.iter().map(|line| format!("  {line}\n")).collect::<String>();
    let text = format!("server:\n{lines}{STAYS}").replace("{cloud}", &group.cloud_address());
    fs::write(&file, text).unwrap();
    let apply = format!("apply -f {}", file.display());
    let addresses = group.addresses().join(",");
    let refused = said(&addresses, &apply).await;
    assert!(refused.starts_with("1 ") && refused.contains("apply with --force"), "{refused}");
    let shown = said(&addresses, &format!("{apply} --dry-run")).await;
    assert!(shown.contains("pools.goes: removed, draining 3 machines (needs --force)"), "{shown}");
    let done = said(&addresses, &format!("{apply} --force")).await;
    assert!(done.starts_with("0 pools.goes: removed, draining 3 machines\n"), "{done}");
    let again = said(&addresses, &apply).await;
    assert!(again.contains("the fleet is already as the file says"), "{again}");
    until(host, "the workload system to hear of the drains", LIMIT, || async {
        let told = workloads.told("drain");
        if told.len() == 3 { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await
    .unwrap();
    let scale = said(&addresses, "pool scale goes --nodes 1").await;
    assert!(scale.starts_with("1 ") && scale.contains("pool goes is being removed"), "{scale}");

    // One of the three is empty; the leader dies while the others still work.
    let mut nodes: Vec<String> = workloads.told("drain").into_iter().collect();
    workloads.emptied.lock().unwrap().extend(nodes.pop());
    wait_for_occupancies(host, &client, &["goes 2/2 retiring", "stays 1/1"]).await;
    let leader = group.leader(LIMIT).await.unwrap();
    group.kill(leader).await.unwrap();
    let client = group.client().unwrap();
    let shown = said(&addresses, "pool list").await;
    assert!(shown.contains("being removed, 2 machines left"), "{shown}");
    workloads.emptied.lock().unwrap().extend(nodes);
    wait_for_occupancies(host, &client, &["stays 1/1"]).await;

    let [bought, given_back] = dealings(host, &group).await;
    assert_eq!((bought.len(), &given_back), (4, &going), "all of the pool's, and nothing else");
    assert_told(&client, "pool/goes", "pool-removed").await;
    let told: Vec<_> =
        journal(&client, "pool/goes").await.into_iter().map(|one| one.kind).collect();
    let ends = ["pool-retiring", "pool-removed"];
    assert_eq!(told[told.len() - 2..], ends, "{told:?}");
    assert!(said(&addresses, "explain pool goes").await.starts_with("3 "));
}
