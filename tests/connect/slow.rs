//! Callers and handlers that take their time.

use std::time::Duration;

use navarch::api::connect::Limits;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::toy::{Server, Setup, clients};

/// Without it a handler that hangs would hold its caller beyond the caller's own limit.
#[tokio::test]
async fn a_deadline_ends_a_call() {
    let server = Server::start(Setup::default()).await;
    for (version, client) in clients() {
        let response = client
            .post(server.method("GetNode"))
            .header("content-type", "application/json")
            .header("connect-timeout-ms", "150")
            .body(r#"{"nodeId":"never"}"#)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 504, "{version}");
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["code"], "deadline_exceeded", "{version}");
    }
}

/// Without it a deadline would begin only once the request has come, which a slow caller decides.
#[tokio::test]
async fn a_deadline_counts_the_request_too() {
    let server = Server::start(Setup::default()).await;
    let answer = half_a_request(&server, "connect-timeout-ms: 100\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(answer.contains("deadline_exceeded"), "{answer}");
}

/// Without it thousands of callers that send nothing more would each hold a call for ever.
#[tokio::test]
async fn a_silent_body_ends_its_call() {
    let limits = Limits { body_idle: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(Setup { limits, ..Setup::default() }).await;
    let answer = half_a_request(&server, "").await;
    assert!(answer.contains("nothing more of the request came"), "{answer}");
}

/// Sends the first byte of a body of 20, and reads the answer until the connection ends.
async fn half_a_request(server: &Server, header: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "POST /navarch.ControlPlaneService/GetNode HTTP/1.1\r\nhost: a\r\n\
         content-type: application/json\r\n{header}content-length: 20\r\n\r\n{{"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Without it a client that is refused for its length would see a broken connection and try again.
#[tokio::test]
async fn a_refused_body_is_read_on() {
    let limits = Limits { request_bytes: 1_000_000, ..Limits::default() };
    let server = Server::start(Setup { limits, ..Setup::default() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /navarch.ControlPlaneService/GetNode HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 1900000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; 1_900_000]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
}
