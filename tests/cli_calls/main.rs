//! Commands that call a group, against a replica of the test's own: what they ask, print and answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should panic"
)]

mod replica;

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

use self::replica::{Served, data, errors};

/// Without it a long list would end after its first page, or look different in one of the formats.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_whole_in_every_format() {
    let served = Served::start().await;
    let empty = served.run("list").await;
    assert_eq!((data(&empty).as_str(), errors(&empty).trim()), ("", "no nodes"));
    assert_eq!(served.json("list -o json").await, serde_json::json!([]));
    served.add_nodes(&["n-1", "n-2", "n-3"]);
    let table = data(&served.run("list").await);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("ID   Status  Health"), "{table}");
    assert!(lines.len() == 4 && lines[3].starts_with("n-3  active  healthy"), "{table}");
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
    assert_eq!(served.json("list --provider other -o json").await, serde_json::json!([]));
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
        ("replica promote r9", 3, "there are r1 (1), r2 (2)"),
        ("replica remove 9", 3, "no replica has the name or id 9"),
    ] {
        let output = served.run(line).await;
        assert_eq!(output.status.code(), Some(code), "{line}: {}", errors(&output));
        assert!(errors(&output).contains(said), "{line}: {}", errors(&output));
        assert_eq!(data(&output), "", "{line}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_navarch"));
    command
        .args(["get", "n-1", "-s", &served.address.to_string()])
        .env_remove("NAVARCH_AUTH_TOKEN");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", errors(&output));
    assert!(errors(&output).contains("NAVARCH_AUTH_TOKEN"), "{}", errors(&output));
}

/// Without it an order would reach the replica without its reason, deadline or parameters.
#[tokio::test(flavor = "multi_thread")]
async fn orders_carry_what_was_asked() {
    let served = Served::start().await;
    let cordon = served.json("cordon n-1 --reason maintenance -o json").await;
    assert_eq!((&cordon["command_id"], &cordon["node_id"]), (&"c-1".into(), &"n-1".into()));
    assert_eq!(data(&served.run("drain n-1 --deadline 1h30m").await), "node n-1 is draining\n");
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
    let header: Vec<_> =
        table.lines().next().unwrap().split("  ").filter(|cell| !cell.is_empty()).collect();
    let header: Vec<_> = header.into_iter().map(str::trim).collect();
    assert_eq!(
        header,
        ["ID", "Name", "Address", "Role", "Voter", "Term", "Applied", "Lag", "Last contact"]
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
    assert_eq!(served.json("replica transfer-leader --to r2 -o json").await["leader_id"], 2);
}

/// Without it the figures of `bench` could be of other calls than the contract describes.
#[tokio::test(flavor = "multi_thread")]
async fn bench_makes_the_calls_it_counts() {
    let served = Served::start().await;
    let writes = served.json("bench writes --clients 4 --duration 300ms -o json").await;
    let nodes = served.replica.nodes.lock().unwrap().len();
    assert_eq!(
        (writes["operation"].as_str(), writes["clients"].as_u64()),
        (Some("writes"), Some(4))
    );
    assert_eq!(writes["ok"].as_u64(), Some(nodes as u64));
    assert_eq!((&writes["failed"], &writes["errors"]), (&0.into(), &serde_json::json!({})));
    assert!(writes["latency_ms"]["p99"].as_f64().unwrap() > 0.0);

    let line = "bench heartbeats --nodes 50 --interval 100ms --duration 1s -o json";
    let beats = served.json(line).await;
    assert_eq!((beats["ok"].as_u64(), beats["clients"].as_u64()), (Some(500), Some(50)));
    let counted = served.replica.beats.lock().unwrap().clone();
    assert_eq!(counted.len(), 50);
    assert!(counted.values().all(|count| *count == 10), "{counted:?}");

    let reads =
        served.json("bench reads --clients 2 --duration 200ms --consistency stale -o json").await;
    assert!(reads["ok"].as_u64().unwrap() > 0 && reads["failed"] == 0, "{reads}");
    let failed =
        served.run("bench writes -s 127.0.0.1:1 --timeout 1s --clients 1 --duration 100ms").await;
    assert_eq!(failed.status.code(), Some(4), "{}", errors(&failed));
}
