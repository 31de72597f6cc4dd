//! Unary Connect calls: method, path, headers and body, and what comes back.

use std::io::Write as _;

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use http::Method;
use navarch::api::connect::Limits;
use navarch_proto::api;
use prost::Message as _;
use reqwest::Response;
use serde_json::Value;

use crate::table::{GET, JSON, PROTO, REGISTER, TYPE, run};
use crate::toy::{LEADER, Server, Setup, TokenGate, clients};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Without it existing agents and `curl` users could not call, or be answered in another form than they know.
#[tokio::test]
async fn calls_are_answered() {
    let server = Server::start(Setup::default()).await;
    let register = br#"{"node_id":"n","gpus":[{"index":1,"memoryTotal":"5"}],"unknown":[1]}"#;
    let packed = gzip(br#"{"nodeId":"n"}"#);
    let proto = api::GetNodeRequest { node_id: "n".to_owned() }.encode_to_vec();
    let json = (TYPE, JSON);
    let found = r#"{"node":{"nodeId":"n","status":"NODE_STATUS_ACTIVE","gpus":[{"index":1,"memoryTotal":"5"}]}}"#;
    let post = Method::POST;
    run(
        &server,
        &[
            (
                (post.clone(), REGISTER, &[json, ("connect-protocol-version", "1")], register),
                (200, json, r#"{"success":true,"message":"registered","config":{"healthCheckIntervalSeconds":60,"#),
            ),
            (
                (post.clone(), GET, &[(TYPE, "application/json; charset=utf-8")], br#"{"nodeId":"n"}"#),
                (200, json, found),
            ),
            (
                (post.clone(), GET, &[json, ("content-encoding", "gzip"), ("accept-encoding", "identity")], &packed),
                (200, json, found),
            ),
            ((post.clone(), GET, &[(TYPE, PROTO)], &proto), (200, (TYPE, PROTO), "n")),
            ((post.clone(), GET, &[json], br#"{"nodeId":"n"}"#), (200, (LEADER, "a"), "")),
            (
                (post.clone(), GET, &[json, ("connect-timeout-ms", "86400000")], br#"{"nodeId":"timeout"}"#),
                (200, json, "86"),
            ),
            (
                (post.clone(), GET, &[json], br#"{"nodeId":"timeout"}"#),
                (200, json, "none"),
            ),
            (
                (post.clone(), GET, &[json, ("navarch-request-id", "r-7")], br#"{"nodeId":"request-id"}"#),
                (200, json, "r-7"),
            ),
            ((Method::GET, "/healthz", &[], b""), (200, (TYPE, "text/plain"), "ok")),
        ],
    )
    .await;
}

/// Without it caches and browsers could not read, or could change something by following a link.
#[tokio::test]
async fn safe_methods_are_served_by_get() {
    let server = Server::start(Setup::default()).await;
    let json = (TYPE, JSON);
    let register = (Method::POST, REGISTER, &[json][..], &br#"{"nodeId":"n"}"#[..]);
    let get = |query: &str| format!("{GET}?{query}");
    let paths = [
        get("connect=v1&encoding=json&message=%7B%22nodeId%22%3A%22n%22%7D"),
        get("encoding=proto&base64=1&message=CgFu"),
        get("encoding=json&base64=1&compression=gzip&message="),
        get("encoding=xml&message=x"),
        get("encoding=json"),
    ];
    let none: &[(&str, &str)] = &[];
    let call = |index: usize| (Method::GET, paths[index].as_str(), none, &b""[..]);
    run(
        &server,
        &[
            (register, (200, json, "registered")),
            (call(0), (200, json, r#""nodeId":"n""#)),
            (call(1), (200, (TYPE, PROTO), "n")),
            (call(2), (400, json, "empty")),
            (call(3), (415, ("accept-post", JSON), "")),
            (call(4), (400, json, "message is missing")),
        ],
    )
    .await;
}

async fn get_node(client: &reqwest::Client, server: &Server, body: Vec<u8>) -> Response {
    let request = client.post(server.method("GetNode")).header(TYPE, JSON);
    request.body(body).send().await.unwrap()
}

/// Without it a long answer would cost its full length, or reach a client that cannot read it.
#[tokio::test]
async fn long_answers_are_compressed_on_request() {
    let server = Server::start(Setup::default()).await;
    for (version, client) in clients() {
        for (accepts, packed) in [("gzip", true), ("br, identity", false)] {
            let request = client
                .post(server.method("GetNode"))
                .header(TYPE, JSON)
                .header("accept-encoding", accepts)
                .body(r#"{"nodeId":"long"}"#);
            let response = request.send().await.unwrap();
            let coding = response.headers().get("content-encoding").cloned();
            assert_eq!(coding.is_some_and(|coding| coding == "gzip"), packed, "{version}");
            let body = response.bytes().await.unwrap();
            let answer: Value = if packed {
                assert!(body.len() < 100_000, "{version}: {}", body.len());
                serde_json::from_reader(GzDecoder::new(body.as_ref())).unwrap()
            } else {
                serde_json::from_slice(&body).unwrap()
            };
            assert_eq!(answer["node"]["reason"].as_str().unwrap().len(), 3_000_000);
        }
    }
}

/// Without it one caller could fill the memory of a replica, or would not learn why it was refused.
#[tokio::test]
async fn messages_over_the_limit_are_refused() {
    let limits = Limits { request_bytes: 100_000, answer_bytes: 1_000_000, ..Limits::default() };
    let server = Server::start(Setup { limits, ..Setup::default() }).await;
    let body = |length: usize| format!(r#"{{"nodeId":"{}"}}"#, "x".repeat(length)).into_bytes();
    for (version, client) in clients() {
        let long = get_node(&client, &server, body(200_000)).await;
        let unpacked = client
            .post(server.method("GetNode"))
            .header(TYPE, JSON)
            .header("content-encoding", "gzip")
            .body(gzip(&body(200_000)))
            .send()
            .await
            .unwrap();
        let answer = get_node(&client, &server, br#"{"nodeId":"long"}"#.to_vec()).await;
        for (response, part) in [(long, "100000"), (unpacked, "100000"), (answer, "1000000")] {
            assert_eq!(response.status(), 429, "{version}");
            let error: Value = response.json().await.unwrap();
            assert_eq!(error["code"], "resource_exhausted", "{version}");
            assert!(error["message"].as_str().unwrap().contains(part), "{version}: {error}");
        }
        let fine = get_node(&client, &server, body(90_000)).await;
        assert_eq!(fine.status(), 404, "{version}");
    }
}

/// Without it callers together could hold as much memory as they like, each within its limit.
#[tokio::test]
async fn unfinished_requests_share_a_budget() {
    let limits = Limits { buffered_bytes: 50_000, ..Limits::default() };
    let server = Server::start(Setup { limits, ..Setup::default() }).await;
    for (version, client) in clients() {
        // The second round shows that the first gave its share back.
        for (length, status) in [(60_000, 503), (40_000, 404), (40_000, 404)] {
            let body = format!(r#"{{"nodeId":"{}"}}"#, "x".repeat(length)).into_bytes();
            let response = get_node(&client, &server, body).await;
            assert_eq!(response.status(), status, "{version}");
        }
    }
}

/// Without it anyone could call, or the handler would not know who did.
#[tokio::test]
async fn the_gate_is_asked_first() {
    let server =
        Server::start(Setup { gate: std::sync::Arc::new(TokenGate), ..Setup::default() }).await;
    let json = (TYPE, JSON);
    let token = ("authorization", "Bearer secret");
    let denied = r#"{"code":"unauthenticated","message":"a bearer token is needed"}"#;
    let get = format!("{GET}?encoding=json");
    run(
        &server,
        &[
            ((Method::POST, GET, &[json], b"no json at all"), (401, json, denied)),
            ((Method::GET, &get, &[], b""), (401, json, denied)),
            (
                (Method::POST, GET, &[json, token], br#"{"nodeId":"caller"}"#),
                (200, json, "operator"),
            ),
            ((Method::GET, "/healthz", &[], b""), (200, (TYPE, "text/plain"), "ok")),
        ],
    )
    .await;
}
