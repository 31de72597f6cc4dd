use std::{collections::BTreeMap, time::Duration};

use navarch::fake_cloud::{FakeCloud, FakeCloudError, FakeCloudOptions};
use navarch_host::{Clock, SystemSpawner};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;

use crate::support::{Cloud, body, spec};

/// Without it a client of the protocol could meet another answer than the contract promises.
#[tokio::test]
async fn buying_reading_and_giving_back() {
    let cloud = Cloud::start().await;
    let bought = cloud.order("i-1", &body("p", "h100-8x")).await;
    assert_eq!(bought.status, 201, "{}", bought.text);
    let id = bought.id();
    let expected = json!({
        "id": id, "name": "name", "idempotency_key": "i-1", "instance_type": "h100-8x",
        "region": "eu", "zone": "eu-a", "state": "provisioning", "ip": null, "ssh_port": 22,
        "gpu_count": 8, "gpu_type": "h100", "price_per_hour": 16.0,
        "labels": {"navarch.pool": "p", "navarch.cluster": "c"},
        "created_at": "2026-01-01T00:00:00.000Z", "terminated_at": null,
    });
    assert_eq!(bought.json, expected);

    let again = cloud.order("i-1", &body("p", "h100-8x")).await;
    assert_eq!((again.status, again.json), (200, expected));
    let other = cloud.order("i-1", &body("p", "h100-1x")).await;
    assert_eq!(other.error(), (409, "idempotency_mismatch"));

    cloud.time.advance(Duration::from_secs(2)).await;
    let path = format!("/v1/instances/{id}");
    let running = cloud.get(&path).await;
    assert_eq!((running.status, &running.json["state"]), (200, &json!("running")));
    assert!(running.json["ip"].is_string());
    assert_eq!(cloud.get("/v1/instances/m-none").await.error(), (404, "not_found"));

    assert_eq!(cloud.delete(&id).await.status, 202);
    assert_eq!(cloud.get(&path).await.json["state"], "terminating");
    assert_eq!(cloud.delete(&id).await.status, 202);
    cloud.time.advance(Duration::from_secs(1)).await;
    assert_eq!(cloud.delete(&id).await.status, 204);
    assert_eq!(cloud.delete("m-none").await.error(), (404, "not_found"));

    let dead = cloud.order("i-1", &body("p", "h100-8x")).await;
    assert_eq!(dead.status, 200);
    assert_eq!((&dead.json["id"], &dead.json["state"]), (&json!(id), &json!("terminated")));
    assert_eq!(dead.json["terminated_at"], "2026-01-01T00:00:03.000Z");
}

/// Without it an order that can never work would be asked for ever, or one that may work be given up.
#[tokio::test]
async fn refusals_have_the_contracts_codes() {
    let cloud = Cloud::start_with(|options| {
        options.cloud.known_types_only = true;
        options.cloud.capacity = BTreeMap::from([("l4-1x".to_owned(), 1)]);
        options.cloud.quota = 2;
    })
    .await;
    assert_eq!(cloud.order("a", &body("p", "l4-1x")).await.status, 201);
    let table = [
        ("b", body("p", "l4-1x"), (503, "insufficient_capacity")),
        ("b", body("p", "h100-9x"), (422, "invalid_request")),
        ("b", body("p", ""), (422, "invalid_request")),
        ("b", json!([]), (422, "invalid_request")),
        ("b", json!({"instance_type": "a10-1x", "labels": 1}), (422, "invalid_request")),
        ("", body("p", "a10-1x"), (422, "invalid_request")),
        (&"k".repeat(300), body("p", "a10-1x"), (422, "invalid_request")),
    ];
    for (key, order, expected) in table {
        let answer = cloud.order(key, &order).await;
        assert_eq!(answer.error(), expected, "{key} {order}");
    }
    let no_key =
        cloud.send(Method::POST, "/v1/instances", &[], body("p", "a10-1x").to_string()).await;
    assert_eq!(no_key.error(), (422, "invalid_request"));
    let headers = [("idempotency-key", "b")];
    for text in ["{", "", &"x".repeat(300_000)] {
        let answer = cloud.send(Method::POST, "/v1/instances", &headers, text.to_owned()).await;
        assert_eq!(answer.error(), (422, "invalid_request"));
    }
    // A refusal is not remembered, and only what an order needs must be in it.
    assert_eq!(cloud.order("b", &json!({"instance_type": "a10-1x"})).await.status, 201);
    assert_eq!(cloud.order("c", &body("p", "a10-1x")).await.error(), (403, "quota_exceeded"));
    assert_eq!(cloud.get("/v2").await.error(), (404, "not_found"));
    let put = cloud.send(Method::PUT, "/v1/instances", &[], "").await;
    assert_eq!(put.error(), (405, "method_not_allowed"));
}

/// Without it a listing could lose machines between pages, or show those of others.
#[tokio::test]
async fn listings_are_filtered_and_paged() {
    let cloud = Cloud::start().await;
    for number in 0..7 {
        let pool = if number < 5 { "a b=c" } else { "other" };
        let answer = cloud.order(&format!("i-{number}"), &body(pool, "l4-1x")).await;
        assert_eq!(answer.status, 201);
    }
    let label = "label=navarch.pool%3Da%20b%3Dc";
    let mut seen = Vec::new();
    let mut token = String::new();
    let mut pages = 0;
    loop {
        let path = format!("/v1/instances?{label}&page_size=2&page_token={token}");
        let page = cloud.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let machines = page.json["instances"].as_array().unwrap().clone();
        assert!(machines.len() <= 2);
        seen.extend(machines.iter().map(|machine| machine["id"].to_string()));
        pages += 1;
        token = page.json["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (5, 3));
    seen.dedup();
    assert_eq!(seen.len(), 5);
    let count = async |query: &str| {
        let page = cloud.get(&format!("/v1/instances?{query}")).await;
        page.json["instances"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(count("").await, 7);
    assert_eq!(count(&format!("{label}&label=navarch.cluster%3Dc")).await, 5);
    assert_eq!(count(&format!("{label}&label=navarch.cluster%3Dd")).await, 0);
    for query in ["label=x", "page_size=0", "page_size=many", "lable=a%3Db"] {
        let answer = cloud.get(&format!("/v1/instances?{query}")).await;
        assert_eq!(answer.error(), (422, "invalid_request"), "{query}");
    }
}

/// Without it prices and availability would have no source.
#[tokio::test]
async fn instance_types_have_prices_and_tell_what_is_rented_out() {
    let cloud = Cloud::start_with(|options| {
        options.cloud.capacity = BTreeMap::from([("l4-1x".to_owned(), 1)]);
    })
    .await;
    cloud.order("i", &body("p", "l4-1x")).await;
    let types = cloud.get("/v1/instance-types").await;
    let types = types.json.as_array().unwrap();
    assert_eq!(types.len(), 7);
    let named = |name: &str| types.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(
        *named("h100-8x"),
        json!({
            "name": "h100-8x", "gpu_count": 8, "gpu_type": "h100", "memory_gb": 1024, "vcpus": 128,
            "price_per_hour": 16.0, "regions": [], "available": true,
        })
    );
    assert_eq!(named("l4-1x")["available"], false);
}

/// Without it anybody could buy on a cloud that has a token.
#[tokio::test]
async fn a_token_is_asked_for_everywhere() {
    let cloud = Cloud::start_with(|options| {
        options.token = Some(SecretString::from("s3cret"));
    })
    .await;
    let ask = async |method: Method, path: &str, token: &str| {
        let headers = [("authorization", token)];
        cloud.send(method, path, &headers, "{}").await.status
    };
    for (method, path) in [
        (Method::GET, "/v1/instances"),
        (Method::POST, "/v1/instances"),
        (Method::GET, "/v1/ledger"),
        (Method::PUT, "/v1/faults"),
        (Method::POST, "/v1/admin/instances/m/kill"),
        (Method::GET, "/nowhere"),
    ] {
        for wrong in ["", "Bearer", "Bearer wrong", "Basic s3cret", "Bearer s3cret2"] {
            assert_eq!(ask(method.clone(), path, wrong).await, 401, "{path} {wrong}");
        }
    }
    assert_eq!(ask(Method::GET, "/v1/instances", "Bearer s3cret").await, 200);
    let headers = [("authorization", "Bearer s3cret")];
    let ledger = cloud.send(Method::GET, "/v1/ledger", &headers, "").await;
    assert_eq!(ledger.text.lines().count(), 1, "refused callers leave no line");
}

/// Without it a port in use would be reported without the port.
#[tokio::test]
async fn an_address_in_use_is_named() {
    let cloud = Cloud::start().await;
    let address = cloud.url.trim_start_matches("http://").to_owned();
    let other = cloud.folder.path().join("other");
    let options = FakeCloudOptions::new(address.clone(), other);
    let refused = FakeCloud::start(options, Clock::system(), SystemSpawner::current()).await;
    let Err(error @ FakeCloudError::Listen { .. }) = refused else {
        panic!("a second fake cloud listens on {address}");
    };
    assert!(error.to_string().contains(&address), "{error}");
}

/// Without it two orders under one key that arrive together could both buy.
#[tokio::test]
async fn orders_under_one_key_at_once_buy_once() {
    let cloud = Cloud::start().await;
    let order = json!(spec("p", "l4-1x"));
    let answers = futures::future::join_all((0..32).map(|_| cloud.order("i", &order))).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(created, 1);
    assert!(answers.iter().all(|answer| answer.id() == answers[0].id()));
    let effects = cloud.ledger().await;
    assert_eq!(effects.iter().filter(|line| line["effect"] == "created").count(), 1);
}
