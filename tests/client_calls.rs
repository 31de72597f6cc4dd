//! What the balancing client sends and reads: metadata, large answers, streams, TLS, many calls at once.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod client_toy;

use std::{sync::Arc, time::Duration};

use client_toy::{Script, Toy, client, options};
use navarch::client::{
    CallOptions, Client, ClientError, ClientOptions, Failure,
    rpc::{GetNode, Heartbeat, ListNodes, RegisterNode},
};
use navarch_proto::api::{
    GetNodeRequest, HeartbeatRequest, ListNodesRequest, RegisterNodeRequest, WatchEventsRequest,
};
use secrecy::SecretString;
use tonic::{Code, transport::Identity};

/// Without it a token, an id or the consistency asked for would not reach the replica.
#[tokio::test]
async fn metadata_travels_both_ways() {
    let script = Script::new();
    let toy = Toy::start(&script);
    script.lock().leader = Some("elsewhere:50051".to_owned());
    let options = ClientOptions { token: Some(SecretString::from("sesame")), ..options() };
    let client = client(&[&toy], options);
    let call =
        CallOptions { request_id: Some("my-id".to_owned()), stale: true, ..CallOptions::default() };
    let answer = client.call::<ListNodes>(ListNodesRequest::default(), &call).await.unwrap();
    assert_eq!(answer.applied_index, Some(1));
    assert_eq!(answer.leader.as_deref(), Some("elsewhere:50051"));
    assert_eq!(*answer.endpoint, *toy.address);
    assert_eq!(client.leader_hint(), None);
    let plain = CallOptions::default();
    client.call::<ListNodes>(ListNodesRequest::default(), &plain).await.unwrap();
    let state = script.lock();
    assert_eq!(state.calls[0].text("authorization"), "Bearer sesame");
    assert_eq!(state.calls[0].text("navarch-request-id"), "my-id");
    assert_eq!(state.calls[0].text("navarch-consistency"), "stale");
    assert_eq!(state.calls[1].text("navarch-request-id"), "");
    assert_eq!(state.calls[1].text("navarch-consistency"), "");
}

/// Without it the list of a large fleet would stop at a window or a frame.
#[tokio::test]
async fn an_answer_of_many_frames_arrives_whole() {
    let script = Script::new();
    let toy = Toy::start(&script);
    let client = client(&[&toy], options());
    let request = ListNodesRequest { page_size: 100_000, ..ListNodesRequest::default() };
    let answer = client.call::<ListNodes>(request, &CallOptions::default()).await.unwrap();
    assert_eq!(answer.message.nodes.len(), 100_000);
    assert_eq!(answer.message.nodes[99_999].node_id, "n099999");
}

/// Without it the journal could not be followed, or its end would look like its silence.
#[tokio::test]
async fn events_are_followed_until_the_stream_breaks() {
    let script = Script::new();
    let toy = Toy::start(&script);
    let client = client(&[&toy], options());
    let request = WatchEventsRequest { since: Some(41), ..WatchEventsRequest::default() };
    let mut events = client.watch_events(request).await.unwrap();
    for index in 42..45 {
        assert_eq!(events.message().await.unwrap().unwrap().index, index);
    }
    let end = events.message().await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
}

/// Without it calls made together could be mixed up, lost, or wait for each other.
#[tokio::test]
async fn a_thousand_calls_at_once_each_get_their_own_answer() {
    let script = Script::new();
    let toys: Vec<_> = (0..3).map(|_| Toy::start(&script)).collect();
    let options = ClientOptions { connections_per_replica: 2, ..options() };
    let client = client(&toys.iter().collect::<Vec<_>>(), options);
    let calls = (0..1_000).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let options = CallOptions::default();
            let node_id = format!("n{number}");
            let request =
                RegisterNodeRequest { node_id: node_id.clone(), ..RegisterNodeRequest::default() };
            client.call::<RegisterNode>(request, &options).await.unwrap();
            let request = GetNodeRequest { node_id: node_id.clone() };
            let answer = client.call::<GetNode>(request, &options).await.unwrap();
            assert_eq!(answer.message.node.unwrap().node_id, node_id);
            let request = HeartbeatRequest { node_id, ..HeartbeatRequest::default() };
            client.call::<Heartbeat>(request, &options).await.unwrap();
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(script.count("", "Heartbeat"), 1_000);
    for toy in &toys {
        assert!(script.count(&toy.address, "Heartbeat") > 200, "unevenly spread");
    }
}

struct Authority {
    directory: tempfile::TempDir,
    identity: Identity,
}

fn authority() -> Authority {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), made.cert.pem()).unwrap();
    Authority {
        identity: Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem()),
        directory,
    }
}

async fn list_over_tls(toy: &Toy, options: ClientOptions) -> Result<(), Failure> {
    let endpoints = [format!("https://{}", toy.address)];
    let client = Client::new(&endpoints, options).unwrap();
    let call = CallOptions::within(Duration::from_secs(5));
    let result = client.call::<ListNodes>(ListNodesRequest::default(), &call).await;
    result.map(drop).map_err(|error| error.failure())
}

/// Without it a token could be read on the way, or given to anybody who answers.
#[tokio::test]
async fn certificates_are_verified_unless_told_otherwise() {
    let (known, stranger) = (authority(), authority());
    let script: Arc<Script> = Script::new();
    let toy = Toy::start_tls(&script, known.identity);
    let with = |authority: &tempfile::TempDir, insecure| ClientOptions {
        ca_file: Some(authority.path().join("ca.pem")),
        insecure,
        unreachable_after: Some(Duration::from_millis(200)),
        ..options()
    };
    assert_eq!(list_over_tls(&toy, with(&known.directory, false)).await, Ok(()));
    let refused = list_over_tls(&toy, with(&stranger.directory, false)).await;
    assert_eq!(refused, Err(Failure::Unreachable));
    assert_eq!(list_over_tls(&toy, with(&stranger.directory, true)).await, Ok(()));
}

/// Without it a wrong configuration would show as a replica that does not answer.
#[tokio::test]
async fn a_wrong_configuration_is_refused_at_once() {
    let none = Client::new(&[], options()).unwrap_err();
    assert!(matches!(none, ClientError::NoEndpoints), "{none}");
    let line_break = ClientOptions { token: Some(SecretString::from("a\nb")), ..options() };
    let token = Client::new(&["a:1".to_owned()], line_break).unwrap_err();
    assert!(matches!(token, ClientError::BadToken), "{token}");
    let missing = ClientOptions { ca_file: Some("/nowhere/ca.pem".into()), ..options() };
    let authority = Client::new(&["a:1".to_owned()], missing).unwrap_err();
    assert!(authority.to_string().contains("/nowhere/ca.pem"), "{authority}");
}
