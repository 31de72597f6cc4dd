//! Error codes in every protocol.

use serde_json::Value;
use tonic::Code;

use crate::toy::{LEADER, Server, Setup, clients};

/// From the Connect specification: gRPC's number, Connect's name, HTTP's status.
const CODES: [(i32, &str, u16); 16] = [
    (1, "canceled", 499),
    (2, "unknown", 500),
    (3, "invalid_argument", 400),
    (4, "deadline_exceeded", 504),
    (5, "not_found", 404),
    (6, "already_exists", 409),
    (7, "permission_denied", 403),
    (8, "resource_exhausted", 429),
    (9, "failed_precondition", 400),
    (10, "aborted", 409),
    (11, "out_of_range", 400),
    (12, "unimplemented", 501),
    (13, "internal", 500),
    (14, "unavailable", 503),
    (15, "data_loss", 500),
    (16, "unauthenticated", 401),
];

/// Without it a client would take one failure for another, and retry what must not be retried.
#[tokio::test]
async fn every_code_has_its_status_and_name() {
    let server = Server::start(Setup::default()).await;
    for (version, client) in clients() {
        for (number, name, status) in CODES {
            let response = client
                .post(server.method("GetNode"))
                .header("content-type", "application/json")
                .body(format!(r#"{{"nodeId":"error-{number}"}}"#))
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), status, "{version} {name}");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.headers()[LEADER], "b", "{version} {name}");
            assert!(!response.headers().contains_key("grpc-status"));
            let error: Value = response.json().await.unwrap();
            let expected = serde_json::json!({"code": name, "message": "100% \"wrong\" ü"});
            assert_eq!(error, expected, "{version}");
        }
    }
}

/// Without it gRPC clients would see other codes than Connect clients do.
#[tokio::test]
async fn grpc_keeps_its_codes() {
    let server = Server::start(Setup::default()).await;
    let mut client = crate::grpc::client(&server).await;
    for (number, name, _) in CODES {
        let node_id = format!("error-{number}");
        let request = navarch_proto::api::GetNodeRequest { node_id };
        let status = client.get_node(request).await.unwrap_err();
        assert_eq!(status.code(), Code::from_i32(number), "{name}");
        assert_eq!(status.message(), "100% \"wrong\" ü");
    }
}
