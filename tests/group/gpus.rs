use navarch::client::{CallOptions, rpc::ListInstances};
use navarch_chaos::{
    proc::{FleetFile, Group, GroupOptions},
    until,
};
use navarch_proto::api;

use crate::{
    LIMIT, Turn, group,
    workloads::{navarch, report, said},
};

const POOL: &str = "
providers:
  cloud: {type: http, url: 'http://{cloud}'}
pools:
  training:
    provider: cloud
    instance_type: h100-8x
    region: eu
    min_nodes: 1
    max_nodes: 2
    health: {unhealthy_after: 1, auto_replace: true}
";

/// The UUIDs that are refused.
async fn refused(addresses: &str) -> Vec<String> {
    let output = navarch(addresses, "gpu list -o name").await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

/// Without it an operator could not see which GPUs are refused for a week, nor let one back for good.
#[tokio::test]
async fn a_gpu_is_forgiven_over_a_change_of_leader() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let server = vec!["heartbeat_interval: 1s".to_owned()];
    let fleet = FleetFile { server, sections: POOL.to_owned() };
    let cloud = Some(vec!["--boot-delay".to_owned(), "200ms".to_owned()]);
    let mut group = Group::start(host, GroupOptions { fleet, cloud, ..group() }).await.unwrap();
    let client = group.client().unwrap();
    let addresses = group.addresses().join(",");
    let bad = until(host, "a machine that runs", LIMIT, || async {
        let state = api::InstanceState::Running.into();
        let request = api::ListInstancesRequest { state, ..Default::default() };
        let answer = client.call::<ListInstances>(request, &CallOptions::default()).await;
        let instances = answer.map_err(|error| error.to_string())?.message.instances;
        instances.first().cloned().ok_or_else(|| "none".to_owned())
    })
    .await
    .unwrap();
    assert!(said(&addresses, "gpu list").await.contains("no GPU is refused"));

    report(&client, &bad.node_id, api::HealthStatus::Unhealthy).await;
    until(host, "the machine to be given up on", LIMIT, || async {
        let gpus = refused(&addresses).await;
        if gpus.len() == 8 { Ok(()) } else { Err(format!("{gpus:?}")) }
    })
    .await
    .unwrap();
    let gpu = refused(&addresses).await.remove(0);
    let table = said(&addresses, "gpu list").await;
    for part in [&*gpu, &*bad.instance_id, "is unhealthy"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let leader = group.leader(LIMIT).await.unwrap();
    let follower = group.address((leader + 1) % 3).to_owned();
    let forgiven = said(&follower, &format!("gpu forgive {gpu} --reason reseated")).await;
    assert!(forgiven.starts_with(&format!("0 GPU {gpu} is forgiven")), "{forgiven}");

    group.kill(leader).await.unwrap();
    let left = refused(&follower).await;
    assert!(left.len() == 7 && !left.contains(&gpu), "{left:?}");
    let again = said(&follower, &format!("gpu forgive {gpu} --reason twice")).await;
    assert!(again.starts_with("3 ") && again.contains("navarch gpu list"), "{again}");
    let told = said(&follower, &format!("events --subject gpu/{gpu} -o json")).await;
    for part in ["gpu-forgiven", "reseated", "\"operator\"", &*bad.instance_id] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
