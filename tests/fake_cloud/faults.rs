use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Cloud, body, passing};

fn plan(kind: &str, delay_ms: u64) -> Value {
    json!({"seed": 1, "faults": [{"kind": kind, "rate": 1.0, "delay_ms": delay_ms}]})
}

async fn live(cloud: &Cloud) -> u64 {
    let ledger = cloud.ledger().await;
    let line = ledger.last().map(|line| line["live_by_pool"]["p"].clone());
    line.and_then(|live| live.as_u64()).unwrap_or(0)
}

/// Whether the connection was closed without an answer.
async fn unanswered(cloud: &Cloud, method: Method, path: &str, key: &str) -> bool {
    let request = cloud.client.request(method, format!("{}{path}", cloud.url));
    let request = request.header("idempotency-key", key);
    let sent = request.body(body("p", "l4-1x").to_string()).send();
    passing(&cloud.time, sent).await.is_err()
}

/// Without it a purchase whose answer is lost could not be tried out.
#[tokio::test]
async fn success_then_timeout_takes_effect_and_says_nothing() {
    let cloud = Cloud::start().await;
    assert_eq!(cloud.faults(plan("success_then_timeout", 3_000)).await.status, 200);
    let began = cloud.clock.now();
    assert!(unanswered(&cloud, Method::POST, "/v1/instances", "i").await);
    assert!(cloud.clock.now().since(began) >= Duration::from_secs(3));
    assert_eq!(live(&cloud).await, 1);
    let listed = cloud.get("/v1/instances").await;
    let id = listed.json["instances"][0]["id"].as_str().unwrap().to_owned();
    assert!(unanswered(&cloud, Method::DELETE, &format!("/v1/instances/{id}"), "").await);
    assert_eq!(live(&cloud).await, 0);
}

/// Without it a machine that turns up after its order was called failed could not be tried out.
#[tokio::test]
async fn delayed_commit_takes_effect_later_or_when_asked_again() {
    let cloud = Cloud::start().await;
    cloud.faults(plan("delayed_commit", 10_000)).await;
    for key in ["waits", "asked"] {
        assert_eq!(cloud.order(key, &body("p", "l4-1x")).await.error(), (500, "internal"));
    }
    assert_eq!(live(&cloud).await, 0);
    // The second time the key is known to be on its way: the fault has nothing left to delay.
    assert_eq!(cloud.order("asked", &body("p", "l4-1x")).await.status, 201);
    assert_eq!(live(&cloud).await, 1);
    cloud.time.advance(Duration::from_secs(9)).await;
    assert_eq!(live(&cloud).await, 1);
    passing(&cloud.time, async {
        while live(&cloud).await < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    cloud.time.advance(Duration::from_secs(60)).await;
    let ledger = cloud.ledger().await;
    let created: Vec<&Value> = ledger
        .iter()
        .filter(|line| line["effect"] == "created")
        .map(|line| &line["idempotency_key"])
        .collect();
    assert_eq!(created, [&json!("asked"), &json!("waits")]);
}

/// Without it the refusals that have no effect could not be tried out, or would have one.
#[tokio::test]
async fn faults_before_the_effect_have_none() {
    let cloud = Cloud::start().await;
    for (kind, expected) in [
        ("rate_limited", (429, "rate_limited")),
        ("error_before", (500, "internal")),
        ("no_capacity", (503, "insufficient_capacity")),
    ] {
        cloud.faults(plan(kind, 2_500)).await;
        let answer = cloud.order("i", &body("p", "l4-1x")).await;
        assert_eq!(answer.error(), expected);
        let wait = answer.headers.get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(wait, (kind == "rate_limited").then_some("2"));
        let list = cloud.get("/v1/instances").await;
        assert_eq!(list.status == 200, kind == "no_capacity");
        assert_eq!(live(&cloud).await, 0);
    }
}

/// Without it a 500 that hides a purchase could not be tried out.
#[tokio::test]
async fn error_after_hides_the_effect() {
    let cloud = Cloud::start().await;
    cloud.faults(plan("error_after", 0)).await;
    assert_eq!(cloud.order("i", &body("p", "l4-1x")).await.error(), (500, "internal"));
    assert_eq!(live(&cloud).await, 1);
    cloud.faults(json!({"faults": []})).await;
    assert_eq!(cloud.order("i", &body("p", "l4-1x")).await.status, 200);
}

/// Without it a listing that lags could not be tried out.
#[tokio::test]
async fn stale_list_shows_the_past() {
    let cloud = Cloud::start().await;
    let old = cloud.order("old", &body("p", "l4-1x")).await.id();
    cloud.time.advance(Duration::from_secs(30)).await;
    cloud.order("new", &body("p", "l4-1x")).await;
    cloud.delete(&old).await;
    cloud.time.advance(Duration::from_secs(5)).await;
    let ids = async || {
        let list = cloud.get("/v1/instances").await;
        let machines = list.json["instances"].as_array().unwrap().clone();
        let pairs = machines
            .iter()
            .map(|machine| (machine["idempotency_key"].clone(), machine["state"].clone()));
        let mut pairs: Vec<_> = pairs.map(|(key, state)| format!("{key} {state}")).collect();
        pairs.sort();
        pairs.join(", ")
    };
    assert_eq!(ids().await, r#""new" "running", "old" "terminated""#);
    cloud.faults(plan("stale_list", 10_000)).await;
    assert_eq!(ids().await, r#""old" "running""#);
    cloud.faults(plan("stale_list", 600_000)).await;
    assert_eq!(ids().await, "", "60 s is as stale as it gets");
}

/// Without it a machine that is denied for a moment could not be tried out.
#[tokio::test]
async fn spurious_404_denies_what_is_there() {
    let cloud = Cloud::start().await;
    let id = cloud.order("i", &body("p", "l4-1x")).await.id();
    cloud.faults(plan("spurious_404", 0)).await;
    let path = format!("/v1/instances/{id}");
    assert_eq!(cloud.get(&path).await.error(), (404, "not_found"));
    assert_eq!(cloud.delete(&id).await.error(), (404, "not_found"));
    assert_eq!(live(&cloud).await, 1);
    cloud.faults(json!({"faults": []})).await;
    assert_eq!(cloud.get(&path).await.status, 200);
}

/// Without it a slow cloud could not be tried out, or slowness would hide other faults.
#[tokio::test]
async fn slow_delays_and_goes_with_others() {
    let cloud = Cloud::start().await;
    let faults = json!({"seed": 1, "faults": [
        {"kind": "slow", "rate": 1, "delay_ms": 4_000},
        {"kind": "error_before", "rate": 1},
    ]});
    cloud.faults(faults).await;
    let began = cloud.clock.now();
    let answer = passing(&cloud.time, cloud.get("/v1/instances")).await;
    assert_eq!(answer.status, 500);
    assert!(cloud.clock.now().since(began) >= Duration::from_secs(4));
}

/// Without it a mistake in a plan would silently test nothing.
#[tokio::test]
async fn plans_are_checked_and_shown() {
    let cloud = Cloud::start().await;
    for wrong in [
        json!({"faults": [{"kind": "sharks"}]}),
        json!({"faults": [{"kind": "slow", "rate": 2}]}),
        json!({"faults": [{"kind": "slow", "delay_ms": 1_000_000_000}]}),
        json!({"faults": [{"kind": "slow", "delay": 1}]}),
        json!({"seed": 1}),
        json!([]),
    ] {
        assert_eq!(cloud.faults(wrong.clone()).await.error(), (422, "invalid_request"), "{wrong}");
    }
    let set = plan("slow", 1);
    assert_eq!(cloud.faults(set.clone()).await.json, set);
    assert_eq!(cloud.get("/v1/faults").await.json, set);
    assert_eq!(cloud.faults(json!({"faults": []})).await.status, 200);
    assert_eq!(cloud.get("/v1/faults").await.json, json!({"seed": 0, "faults": []}));
}

/// Without it a run could not be repeated from its seed.
#[tokio::test]
async fn a_seed_hits_the_same_requests_each_time() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let cloud = Cloud::start().await;
        let faults = [{}; 1].map(|()| json!({"kind": "error_before", "rate": 0.5}));
        cloud.faults(json!({"seed": seed, "faults": faults})).await;
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(cloud.get("/v1/instances").await.status);
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}
