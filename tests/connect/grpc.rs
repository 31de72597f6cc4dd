//! gRPC and gRPC-Web on the same port.

use std::{sync::Arc, time::Duration};

use navarch::api::connect::Limits;
use navarch_proto::api::{
    self, control_plane_service_client::ControlPlaneServiceClient,
    operator_service_client::OperatorServiceClient,
};
use prost::Message as _;
use tonic::{Code, Request, transport::Channel};

use crate::toy::{LEADER, Server, Setup, TokenGate, clients};

pub(crate) async fn client(server: &Server) -> ControlPlaneServiceClient<Channel> {
    let client = ControlPlaneServiceClient::connect(server.url("")).await.unwrap();
    client.max_decoding_message_size(usize::MAX)
}

fn get(node_id: &str) -> Request<api::GetNodeRequest> {
    Request::new(api::GetNodeRequest { node_id: node_id.to_owned() })
}

/// Without it the main protocol of agents and command line would be broken by the bridge in front.
#[tokio::test]
async fn grpc_goes_straight_through() {
    let server = Server::start(Setup::default()).await;
    let mut client = client(&server).await;
    let node = api::RegisterNodeRequest { node_id: "n".to_owned(), ..Default::default() };
    assert!(client.register_node(node).await.unwrap().into_inner().success);
    let answer = client.get_node(get("n")).await.unwrap();
    assert_eq!(answer.metadata().get(LEADER).unwrap(), "a");
    let mut request = get("timeout");
    request.set_timeout(Duration::from_secs(7));
    let answer = client.get_node(request).await.unwrap().into_inner();
    assert_eq!(answer.node.unwrap().reason, "7000000u");
}

/// Without it a stream that is open would hold up the stop of a replica, or end without a word.
#[tokio::test]
async fn streams_end_when_the_replica_stops() {
    let server = Server::start(Setup::default()).await;
    let mut client = OperatorServiceClient::connect(server.url("")).await.unwrap();
    let request = api::WatchEventsRequest { subject: "endless".to_owned(), since: Some(10) };
    let mut events = client.watch_events(request).await.unwrap().into_inner();
    for index in 11..=13 {
        assert_eq!(events.message().await.unwrap().unwrap().index, index);
    }
    server.stopping.cancel();
    let status = events.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("stopping"), "{status}");
}

/// Without it gRPC callers could go around what Connect callers are held to.
#[tokio::test]
async fn grpc_is_held_to_gate_and_limits() {
    let limits = Limits { request_bytes: 100_000, ..Limits::default() };
    let gate = Arc::new(TokenGate);
    let server = Server::start(Setup { limits, gate, ..Setup::default() }).await;
    let mut client = client(&server).await;
    let status = client.get_node(get("caller")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let with_token = |node_id: &str| {
        let mut request = get(node_id);
        request.metadata_mut().insert("authorization", "Bearer secret".parse().unwrap());
        request
    };
    let answer = client.get_node(with_token("caller")).await.unwrap().into_inner();
    assert_eq!(answer.node.unwrap().reason, "operator");
    let long = "x".repeat(200_000);
    let status = client.get_node(with_token(&long)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
}

/// Without it browsers could not call.
#[tokio::test]
async fn grpc_web_is_served_over_both_versions() {
    let server = Server::start(Setup::default()).await;
    let message = api::GetNodeRequest { node_id: "request-id".to_owned() }.encode_to_vec();
    let mut body = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    body.extend_from_slice(&message);
    for (version, client) in clients() {
        let send = |content_type: &'static str, path: &str| {
            let request = client.post(server.method(path)).header("content-type", content_type);
            request.header("navarch-request-id", "r-8").body(body.clone()).send()
        };
        let response = send("application/grpc-web+proto", "GetNode").await.unwrap();
        assert_eq!(response.status(), 200, "{version}");
        assert_eq!(response.headers()["content-type"], "application/grpc-web+proto");
        let answer = response.bytes().await.unwrap();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("r-8") && text.contains("grpc-status:0"), "{version}: {text}");
        let response = send("application/grpc-web", "ListNodes").await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "12", "{version}");
    }
}

/// Without it a gRPC call over HTTP/1.1 would lose its status on the way, and its caller wait for it.
#[tokio::test]
async fn grpc_wants_its_own_http() {
    let server = Server::start(Setup::default()).await;
    let [(_, http1), (_, http2)] = clients();
    let response = http1.post(server.method("GetNode")).header("content-type", "application/grpc");
    assert_eq!(response.send().await.unwrap().status(), 505);
    let response = http2.get(server.method("GetNode")).header("content-type", "application/grpc");
    assert_eq!(response.send().await.unwrap().status(), 405);
    let response = http2.post(server.url("/a.B/C")).header("content-type", "application/grpc");
    assert_eq!(response.send().await.unwrap().headers()["grpc-status"], "12");
}
