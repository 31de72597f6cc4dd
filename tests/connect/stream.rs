//! Connect streams.

use navarch_proto::api;
use prost::Message as _;
use serde_json::{Value, json};

use crate::toy::{Server, Setup, clients};

fn framed(flags: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![flags];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(message);
    frame
}

fn frames(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [flags, a, b, c, d, rest @ ..] = body {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap();
        let (message, later) = rest.split_at(length);
        frames.push((*flags, message.to_vec()));
        body = later;
    }
    assert!(body.is_empty(), "torn: {body:?}");
    frames
}

async fn watch(
    client: &reqwest::Client,
    server: &Server,
    codec: &str,
    body: Vec<u8>,
) -> reqwest::Response {
    client
        .post(server.url("/navarch.OperatorService/WatchEvents"))
        .header("content-type", format!("application/connect+{codec}"))
        .body(body)
        .send()
        .await
        .unwrap()
}

/// Without it Connect clients could not watch the journal.
#[tokio::test]
async fn events_come_one_by_one_and_end() {
    let server = Server::start(Setup::default()).await;
    for (version, client) in clients() {
        let request = framed(0, br#"{"since":"40"}"#);
        let response = watch(&client, &server, "json", request).await;
        assert_eq!(response.status(), 200, "{version}");
        assert_eq!(response.headers()["content-type"], "application/connect+json");
        let seen = frames(&response.bytes().await.unwrap());
        let texts: Vec<_> = seen
            .iter()
            .map(|(flags, message)| (*flags, String::from_utf8_lossy(message).into_owned()))
            .collect();
        let event = |index: u64| (0, format!(r#"{{"index":"{index}","kind":"registered"}}"#));
        let expected = [event(41), event(42), event(43), (2, "{}".to_owned())];
        assert_eq!(texts, expected, "{version}");

        let request = api::WatchEventsRequest { since: Some(7), ..Default::default() };
        let request = framed(0, &request.encode_to_vec());
        let response = watch(&client, &server, "proto", request).await;
        let seen = frames(&response.bytes().await.unwrap());
        let event = api::FleetEvent::decode(seen[0].1.as_slice()).unwrap();
        assert_eq!((seen.len(), event.index), (4, 8), "{version}");
    }
}

/// Without it a client would take a stream that failed for one that ended.
#[tokio::test]
async fn failures_end_the_stream_by_name() {
    let server = Server::start(Setup::default()).await;
    let cases: [(Vec<u8>, usize, &str); 8] = [
        (framed(0, br#"{"subject":"fail"}"#), 3, "data_loss"),
        (framed(0, br#"{"subject":"refuse"}"#), 0, "permission_denied"),
        (framed(0, b"{"), 0, "invalid_argument"),
        (framed(1, b"{}"), 0, "internal"),
        (framed(4, b"{}"), 0, "invalid_argument"),
        (framed(0, b"{}")[..6].to_vec(), 0, "invalid_argument"),
        (Vec::new(), 0, "unimplemented"),
        ([framed(0, b"{}"), framed(0, b"{}")].concat(), 0, "unimplemented"),
    ];
    for (version, client) in clients() {
        for (body, events, code) in &cases {
            let response = watch(&client, &server, "json", body.clone()).await;
            assert_eq!(response.status(), 200, "{version} {code}");
            let seen = frames(&response.bytes().await.unwrap());
            let Some(((2, end), before)) = seen.split_last() else {
                panic!("{version} {code}: no end in {seen:?}");
            };
            let end: Value = serde_json::from_slice(end).unwrap();
            assert_eq!(
                (before.len(), &end["error"]["code"]),
                (*events, &json!(code)),
                "{version}: {end}"
            );
        }
    }
}

/// Without it a watcher would hold its stream beyond its time limit, or through the stop of a replica.
#[tokio::test]
async fn endless_streams_end_by_deadline_or_stop() {
    let server = Server::start(Setup::default()).await;
    let [(_, client), _] = clients();
    let request = || {
        client
            .post(server.url("/navarch.OperatorService/WatchEvents"))
            .header("content-type", "application/connect+json")
            .body(framed(0, br#"{"subject":"endless"}"#))
    };
    let timed = request().header("connect-timeout-ms", "200").send().await.unwrap();
    let seen = frames(&timed.bytes().await.unwrap());
    let text = String::from_utf8_lossy(&seen[3].1).into_owned();
    assert!(text.contains("deadline_exceeded"), "{text}");

    let endless = request().send().await.unwrap();
    tokio::spawn({
        let stopping = server.stopping.clone();
        async move {
            tokio::task::yield_now().await;
            stopping.cancel();
        }
    });
    let seen = frames(&endless.bytes().await.unwrap());
    let text = String::from_utf8_lossy(&seen.last().unwrap().1).into_owned();
    assert!(text.contains("unavailable") && text.contains("stopping"), "{text}");
}
