use std::{fs, path::Path};

use navarch::client::{
    CallOptions, Client,
    rpc::{GetNode, ListEvents, RegisterNode, ReportHealth},
};
use navarch_chaos::proc::Group;
use navarch_proto::api;

use crate::{LIMIT, Turn, group, workloads::said};

/// The fifth page retirement of a day, a rule on trial, and one that cannot be evaluated.
const WINDOW: &str = "
version: v1
rules:
  - {name: broken, condition: 'event.metrics.absent > 1', result: degraded}
  - {name: trial, condition: 'event.event_type == \"xid\"', result: degraded, shadow: true}
  - {name: fifth, condition: 'history.gpu.count(\"xid:63\", \"24h\") >= 5', result: unhealthy}
";

/// A policy that says one thing of every event.
fn always(result: &str) -> String {
    format!(
        "version: v1\nrules:\n  - {{name: all-{result}, condition: 'true', result: {result}}}\n"
    )
}

/// A configuration whose only peculiarity is its policy; the arguments that apply it.
fn apply(directory: &Path, policy: &str) -> String {
    let policy_file = directory.join("policy.yaml");
    fs::write(&policy_file, policy).unwrap();
    let text = format!(
        "server:\n  heartbeat_interval: 24h\n  max_registered_nodes: 10000000\n  health_policy: {}\n",
        policy_file.display()
    );
    let file = directory.join("fleet.yaml");
    fs::write(&file, text).unwrap();
    format!("apply -f {}", file.display())
}

async fn register(client: &Client, node_id: &str) {
    let request = api::RegisterNodeRequest { node_id: node_id.to_owned(), ..Default::default() };
    client.call::<RegisterNode>(request, &CallOptions::default()).await.unwrap();
}

/// Reports an XID of GPU 3; what the node's status is afterwards.
async fn report(client: &Client, node_id: &str, seconds: i64) -> api::NodeStatus {
    let event = api::HealthEvent {
        timestamp: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        gpu_index: 3,
        gpu_uuid: "GPU-3".to_owned(),
        event_type: api::HealthEventType::Xid.into(),
        metrics: [("xid_code".to_owned(), "63".to_owned())].into(),
        message: "row remapped".to_owned(),
        ..Default::default()
    };
    let events = vec![event];
    let request =
        api::ReportHealthRequest { node_id: node_id.to_owned(), events, ..Default::default() };
    let answer = client.call::<ReportHealth>(request, &CallOptions::default()).await.unwrap();
    answer.message.node_status()
}

async fn node(client: &Client, node_id: &str) -> api::NodeInfo {
    let request = api::GetNodeRequest { node_id: node_id.to_owned() };
    let answer = client.call::<GetNode>(request, &CallOptions::default()).await.unwrap();
    answer.message.node.unwrap()
}

async fn count(client: &Client, kind: &str) -> usize {
    let request = api::ListEventsRequest::default();
    let answer = client.call::<ListEvents>(request, &CallOptions::default()).await.unwrap();
    answer.message.events.iter().filter(|event| event.kind == kind).count()
}

/// Without it a change of leader would forget four of five page retirements, tell again what was told, or lose which
/// event it was.
#[tokio::test]
async fn the_fifth_event_counts_over_a_change_of_leader() {
    let turn = Turn::take().await;
    let mut group = Group::start(&turn.host, group()).await.unwrap();
    let client = group.client().unwrap();
    let addresses = group.addresses().join(",");
    let applied = said(&addresses, &apply(&group.directory(), WINDOW)).await;
    assert!(applied.starts_with("0 "), "{applied}");
    register(&client, "n").await;
    for second in 1..=4 {
        assert_eq!(report(&client, "n", second).await, api::NodeStatus::Active, "{second}");
        // An agent that heard no answer sends it again.
        assert_eq!(report(&client, "n", second).await, api::NodeStatus::Active, "{second}");
    }
    let leader = group.leader(LIMIT).await.unwrap();
    group.kill(leader).await.unwrap();
    assert_eq!(report(&client, "n", 5).await, api::NodeStatus::Unhealthy);

    let node = node(&client, "n").await;
    let event = node.health_event.expect("an event decided");
    assert_eq!(node.health_rule, "fifth");
    assert_eq!((event.code, event.gpu_index, &*event.gpu_uuid), (63, 3, "GPU-3"));
    assert_eq!(event.timestamp.map(|at| at.seconds), Some(5));
    let explained = said(&addresses, "explain node n").await;
    for part in ["xid 63 of GPU 3 (GPU-3)", "row remapped", "5 health events remembered"] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let shown = said(&addresses, "get n").await;
    assert!(shown.contains("xid 63 of GPU 3 (GPU-3), reported"), "{shown}");
    assert_eq!(count(&client, "health-rule-failed").await, 1);
    assert_eq!(count(&client, "health-rule-shadowed").await, 1);
    let status = said(&addresses, "status").await;
    assert!(status.contains("broken could not be evaluated: No such key: absent"), "{status}");
}

/// Without it replicas could judge by different policies, or a slip in a file stop all of them from judging.
#[tokio::test]
async fn a_policy_holds_at_once_on_every_replica_and_a_bad_one_nowhere() {
    let turn = Turn::take().await;
    let group = Group::start(&turn.host, group()).await.unwrap();
    let client = group.client().unwrap();
    let mut number = 0;
    for (at, result) in [(0, "healthy"), (1, "degraded"), (2, "unhealthy"), (0, "degraded")] {
        let line = apply(&group.directory(), &always(result));
        let applied = said(group.address(at), &line).await;
        assert!(applied.starts_with("0 "), "{applied}");
        for index in 0..group.len() {
            number += 1;
            let id = format!("n-{number}");
            register(&client, &id).await;
            report(&group.client_of(index), &id, 1).await;
            let health = node(&client, &id).await.health_status();
            let expected = format!("HEALTH_STATUS_{}", result.to_uppercase());
            assert_eq!(health.as_str_name(), expected, "replica {index}");
        }
    }
    let bad = always("healthy").replace("'true'", "'event.systm == 1'");
    let refused = said(group.address(1), &apply(&group.directory(), &bad)).await;
    assert!(!refused.starts_with("0 ") && refused.contains("event.system"), "{refused}");
    for index in 0..group.len() {
        let id = format!("after-{index}");
        register(&client, &id).await;
        report(&group.client_of(index), &id, 1).await;
        assert_eq!(node(&client, &id).await.health_rule, "all-degraded");
    }
}
