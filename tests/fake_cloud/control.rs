use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Cloud, body};

/// Without it the ledger could not tell what was bought by whom, which everything else is judged by.
#[tokio::test]
async fn the_ledger_tells_every_request_and_effect_in_order() {
    let cloud = Cloud::start().await;
    let id = cloud.order("i-1", &body("p", "l4-1x")).await.id();
    cloud.order("i-1", &body("p", "l4-1x")).await;
    cloud.order("i-2", &body("q", "l4-1x")).await;
    cloud.get("/v1/instances").await;
    cloud.get(&format!("/v1/instances/{id}")).await;
    cloud.time.advance(Duration::from_secs(5)).await;
    cloud.delete(&id).await;
    cloud.delete(&id).await;
    cloud.order("i-3", &json!({})).await;
    // Reading the ledger leaves no line in it.
    cloud.ledger().await;
    let ledger = cloud.ledger().await;
    let rows: Vec<String> = ledger
        .iter()
        .map(|line| {
            let fields = ["seq", "method", "session", "idempotency_key", "effect", "live_by_pool"];
            let shown = fields.map(|field| line[field].to_string().replace('"', ""));
            shown.join(" ")
        })
        .collect();
    let expected = [
        "1 POST 7 i-1 created {p:1}",
        "2 POST 7 i-1 none {p:1}",
        "3 POST 7 i-2 created {p:1,q:1}",
        "4 GET null null none {p:1,q:1}",
        "5 GET null i-1 none {p:1,q:1}",
        "6 DELETE 8 i-1 terminated {q:1}",
        "7 DELETE 8 i-1 none {q:1}",
        "8 POST 7 i-3 none {q:1}",
    ];
    assert_eq!(rows, expected);
    let of = |field: &str| -> Vec<&Value> { ledger.iter().map(|line| &line[field]).collect() };
    assert_eq!(of("at")[0], "2026-01-01T00:00:00.000Z");
    assert_eq!(of("at")[5], "2026-01-01T00:00:05.000Z");
    for line in [0, 1, 4, 5, 6] {
        assert_eq!(*of("instance_id")[line], json!(id));
    }
    assert_eq!(*of("instance_id")[3], Value::Null);
    for line in &ledger {
        assert_eq!(line.as_object().unwrap().len(), 9, "{line}");
        assert!(line["caller"].as_str().unwrap().contains("127.0.0.1:"));
    }
}

/// Without it an agent or a machine could not be killed from a test without the protocol's knowing.
#[tokio::test]
async fn machines_can_be_killed_in_three_ways() {
    let cloud = Cloud::start().await;
    let kill = async |id: &str, body: &'static str| {
        let path = format!("/v1/admin/instances/{id}/kill");
        cloud.send(Method::POST, &path, &[], body).await
    };
    let revive = async |id: &str| {
        let path = format!("/v1/admin/instances/{id}/revive");
        cloud.send(Method::POST, &path, &[], "").await
    };
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        ids.push(cloud.order(key, &body("p", "l4-1x")).await.id());
    }
    cloud.time.advance(Duration::from_secs(3)).await;
    assert_eq!(kill(&ids[0], "").await.json["state"], "running");
    assert_eq!(revive(&ids[0]).await.status, 200);
    assert_eq!(kill(&ids[1], r#"{"machine":"terminates"}"#).await.json["state"], "terminating");
    assert_eq!(revive(&ids[1]).await.error(), (409, "not_live"));
    assert_eq!(kill(&ids[2], r#"{"machine":"vanishes"}"#).await.json["state"], "terminated");
    assert_eq!(cloud.get(&format!("/v1/instances/{}", ids[2])).await.status, 404);
    let listed = cloud.get("/v1/instances").await;
    assert_eq!(listed.json["instances"].as_array().unwrap().len(), 2);
    let again = cloud.order("c", &body("p", "l4-1x")).await;
    assert_eq!((again.status, &again.json["state"]), (200, &json!("terminated")));
    assert_eq!(kill("m-none", "").await.status, 404);
    assert_eq!(revive("m-none").await.status, 404);
    assert_eq!(kill(&ids[0], r#"{"machine":"explodes"}"#).await.error(), (422, "invalid_request"));
    assert_eq!(cloud.ledger().await.last().unwrap()["live_by_pool"], json!({"p": 1}));
}
