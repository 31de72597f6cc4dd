//! Requests that are wrong, and what their callers are told.

use http::Method;

use crate::{
    table::{GET, JSON, PROTO, REGISTER, REPORT, TYPE, run},
    toy::{Server, Setup},
};

/// Without it a caller of a malformed message would get no answer, a wrong code, or no hint at what is wrong.
#[tokio::test]
async fn wrong_messages_are_refused() {
    let server = Server::start(Setup::default()).await;
    let invalid = r#"{"code":"invalid_argument","message":"#;
    let cases: [(&str, &str, &[u8], u16, &str); 7] = [
        (REGISTER, JSON, b"{}", 400, "node_id is empty"),
        (GET, JSON, b"{", 400, invalid),
        (GET, JSON, b"", 400, "empty"),
        (GET, JSON, b"{\"nodeId\":\"\xff\"}", 400, "not UTF-8"),
        (GET, PROTO, b"\x0a\xff", 400, invalid),
        (GET, PROTO, b"\x0a\x01\xff", 400, "node_id"),
        // Not the caller's fault, though the code is the same as the codec's.
        (REPORT, JSON, b"{}", 500, "a bug of the handler's own"),
    ];
    for (path, content_type, body, status, text) in cases {
        let headers = [(TYPE, content_type)];
        let request = (Method::POST, path, headers.as_slice(), body);
        run(&server, &[(request, (status, (TYPE, JSON), text))]).await;
    }
}

/// Without it a mistyped header would be passed over in silence.
#[tokio::test]
async fn wrong_headers_are_refused() {
    let server = Server::start(Setup::default()).await;
    let cases = [
        ("content-encoding", "br", 501, "gzip"),
        ("content-encoding", "gzip", 400, "gzip"),
        ("connect-timeout-ms", "soon", 400, "soon"),
        ("connect-timeout-ms", "12345678901", 400, "10 digits"),
        ("connect-timeout-ms", "0", 504, "deadline_exceeded"),
        ("connect-protocol-version", "2", 400, "must be 1"),
    ];
    for (name, value, status, text) in cases {
        let headers = [(TYPE, JSON), (name, value)];
        let request = (Method::POST, GET, headers.as_slice(), &b"{}"[..]);
        run(&server, &[(request, (status, (TYPE, JSON), text))]).await;
    }
}

/// Without it a client with the wrong method, path or content type would not learn the right one.
#[tokio::test]
async fn wrong_ways_to_call_are_refused() {
    let server = Server::start(Setup::default()).await;
    let [nope, unserved] =
        ["/navarch.ControlPlaneService/Nope", "/navarch.ReplicaService/ListReplicas"];
    let unknown = r#""code":"unimplemented""#;
    let accept = "accept-post";
    let cases = [
        (Method::POST, GET, "text/plain", 415, accept, JSON),
        (Method::POST, GET, "", 415, accept, PROTO),
        (Method::POST, GET, "application/connect+json", 415, accept, JSON),
        (Method::POST, GET, "application/grpc+json", 415, accept, PROTO),
        (Method::PUT, GET, JSON, 405, "allow", "GET, POST"),
        (Method::GET, REGISTER, JSON, 405, "allow", "POST"),
        (Method::POST, "/healthz", "", 405, "allow", "GET"),
        (Method::POST, nope, JSON, 404, TYPE, JSON),
        (Method::POST, unserved, JSON, 404, TYPE, JSON),
        (Method::GET, "/nope", "", 404, TYPE, JSON),
    ];
    for (method, path, content_type, status, header, value) in cases {
        let headers = [(TYPE, content_type)];
        let request = (method, path, headers.as_slice(), &b""[..]);
        let text = if status == 404 { unknown } else { "" };
        run(&server, &[(request, (status, (header, value), text))]).await;
    }
}
