use std::process::Command;

use navarch::client::{
    CallOptions, Client,
    rpc::{GetPool, ListReplicas},
};
use navarch_chaos::{
    Host,
    proc::{FleetFile, Group, GroupOptions},
    until,
};
use navarch_proto::api;

use crate::{LIMIT, Turn, group};

const POOL: &str = "
providers:
  cloud: {type: http, url: 'http://{cloud}'}
pools:
  batch:
    provider: cloud
    instance_type: h100-8x
    max_nodes: 5
    cooldown: 0s
    autoscaling: {type: queue, jobs_per_node: 10}
";

async fn pool(client: &Client) -> Result<api::PoolInfo, String> {
    let request = api::GetPoolRequest { name: "batch".to_owned() };
    let answer = client.call::<GetPool>(request, &CallOptions::default()).await;
    answer.map_err(|error| error.to_string())?.message.pool.ok_or("no pool".to_owned())
}

/// Waits until that many machines run, for a reason that begins so.
async fn wait_for(host: &Host, client: &Client, running: u32, reason: &str) {
    until(host, reason, LIMIT, || async {
        let pool = pool(client).await?;
        let is_so =
            pool.running == running && pool.size == running && pool.reason.starts_with(reason);
        if is_so { Ok(()) } else { Err(format!("{pool:#?}")) }
    })
    .await
    .unwrap();
}

/// Reports as a person or a script would, at one replica.
fn report(group: &Group, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_navarch"));
    command.args(["-s", &group.addresses().join(","), "pool", "report", "batch"]).args(arguments);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    format!("{} {}", output.status.code().unwrap(), String::from_utf8_lossy(&said))
}

async fn leader(client: &Client, group: &Group) -> usize {
    let options = CallOptions::default();
    let answer = client.call::<ListReplicas>(api::ListReplicasRequest {}, &options).await;
    let replicas = answer.unwrap().message.replicas;
    let leader = replicas.iter().find(|replica| replica.role == "leader");
    let name = &leader.expect("a group that answered has a leader").name;
    (0..group.len()).find(|&index| group.name(index) == name).expect("a replica of the group")
}

/// Without it a workload system could not size its pool, or would have to report again after each failover.
#[tokio::test]
async fn a_pool_follows_the_queue_that_is_reported_of_it() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let server = ["heartbeat_interval: 1s", "autoscale_interval: 1s"];
    let fleet = FleetFile { server: server.map(str::to_owned).into(), sections: POOL.to_owned() };
    let cloud = Some(vec!["--boot-delay".to_owned(), "200ms".to_owned()]);
    let mut group = Group::start(host, GroupOptions { fleet, cloud, ..group() }).await.unwrap();
    let client = group.client().unwrap();
    wait_for(host, &client, 0, "no fresh queue depth (pushed: no report that holds)").await;

    let told = report(&group, &["--pending-jobs", "15", "--queue-depth", "25", "--ttl", "10m"]);
    assert!(told.starts_with("0 the figures of pool batch hold until "), "{told}");
    wait_for(host, &client, 3, "queue depth 25 (pushed ").await;

    let first = leader(&client, &group).await;
    group.kill(first).await.unwrap();
    let told = report(&group, &["--utilization", "50"]);
    assert!(told.starts_with("0 "), "{told}");
    wait_for(host, &client, 3, "queue depth 25 (pushed ").await;
    let told = report(&group, &["--queue-depth", "1000"]);
    assert!(told.starts_with("0 "), "{told}");
    wait_for(host, &client, 5, "queue depth 1000 (pushed ").await;

    for (arguments, expected) in [
        (["--utilization", "101"], "utilization is 101; give percent from 0 to 100"),
        (["--utilization", "-1"], "utilization is -1;"),
        (["--utilization", "NaN"], "utilization is NaN;"),
        (["--queue-depth", "0"], ""),
    ] {
        let told = report(&group, &arguments);
        assert!(told.contains(expected), "{told}");
        assert_eq!(told.starts_with("0 "), expected.is_empty(), "{told}");
    }
    wait_for(host, &client, 0, "queue depth 0 (pushed ").await;
}
