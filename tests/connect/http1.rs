//! HTTP/1.1 as nobody should speak it, on the same port.

use std::time::Duration;

use navarch_host::Clock;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    http2::serves,
    table::GET,
    toy::{Server, Setup},
};

/// What ends a test that waits for an answer in vain.
const TOO_LONG: Duration = Duration::from_secs(20);

/// All that the server says before it ends the connection. The client says that it is through.
async fn said(server: &Server, request: &[u8]) -> String {
    let talk = async {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // A server that has heard enough may be gone before the rest of it.
        let _ = stream.write_all(request).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    Clock::system().timeout(TOO_LONG, talk).await.expect("the server ends the connection")
}

/// A request, and the statuses that may be its answer.
type Case = (&'static str, Vec<u8>, &'static [&'static str]);

fn wrong_lines() -> Vec<Case> {
    vec![
        ("no version", b"GET /healthz\r\n\r\n".to_vec(), &["400"]),
        ("HTTP/1.2", b"GET /healthz HTTP/1.2\r\nhost: a\r\n\r\n".to_vec(), &["400", "505"]),
        ("HTTP/3", b"GET /healthz HTTP/3.0\r\nhost: a\r\n\r\n".to_vec(), &["400", "505"]),
        ("a method of signs", b"G(T /healthz HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), &["400"]),
        (
            "a method in small letters",
            b"get /healthz HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            &["405"],
        ),
        ("no path", b"GET  HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), &["400"]),
        (
            "a path that is not UTF-8",
            b"GET /\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            &["400", "404"],
        ),
        ("a path with a NUL", b"GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), &["400"]),
        (
            "a path of escapes that are not UTF-8",
            b"GET /%ff%fe HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            &["404"],
        ),
        (
            "a path that leads up",
            b"GET /../../etc/passwd HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            &["404"],
        ),
        ("a tunnel", b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), &["404", "405"]),
        ("every path", b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), &["404", "405"]),
    ]
}

fn wrong_headers_and_bodies() -> Vec<Case> {
    let post = |headers: &str, body: &str| {
        format!(
            "POST {GET} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
        )
    };
    let many = "x: y\r\n".repeat(200);
    let long = format!("x: {}\r\n", "y".repeat(100_000));
    vec![
        ("a NUL in a value", post("x: a\0b\r\n", "").into_bytes(), &["400"]),
        ("a name with a space", post("x y: a\r\n", "").into_bytes(), &["400"]),
        ("a folded header", post("x: a\r\n b\r\n", "").into_bytes(), &["400"]),
        ("a header without a colon", post("x\r\n", "").into_bytes(), &["400"]),
        ("a length that is none", post("content-length: ten\r\n", "").into_bytes(), &["400"]),
        ("a length below nothing", post("content-length: -1\r\n", "").into_bytes(), &["400"]),
        (
            "a length of 2^64",
            post("content-length: 18446744073709551616\r\n", "").into_bytes(),
            &["400"],
        ),
        (
            "two lengths",
            post("content-length: 2\r\ncontent-length: 4\r\n", "{}").into_bytes(),
            &["400"],
        ),
        (
            "another coding before chunks",
            post("transfer-encoding: gzip, x\r\n", "").into_bytes(),
            &["400"],
        ),
        (
            "a chunk whose size is none",
            post("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n").into_bytes(),
            &["400"],
        ),
        (
            "a chunk of 2^64",
            post("transfer-encoding: chunked\r\n", "10000000000000000\r\n{}").into_bytes(),
            &["400"],
        ),
        (
            "a chunk without an end",
            post("transfer-encoding: chunked\r\n", "2\r\n{}0\r\n\r\n").into_bytes(),
            &["400"],
        ),
        (
            "a chunk that is cut short",
            post("transfer-encoding: chunked\r\n", "40\r\n{}").into_bytes(),
            &["400"],
        ),
        ("a body that is cut short", post("content-length: 40\r\n", "{}").into_bytes(), &["400"]),
        ("two hundred headers", post(&many, "{}").into_bytes(), &["431"]),
        ("a header of 100 KB", post(&long, "{}").into_bytes(), &["431"]),
        ("noise", vec![0x80; 4_096], &["400"]),
    ]
}

/// Without it a broken or hostile client of HTTP/1.1 would be left waiting, or be taken for two.
#[tokio::test]
async fn wrong_requests_are_refused() {
    let server = Server::start(Setup::default()).await;
    for (case, request, statuses) in wrong_lines().into_iter().chain(wrong_headers_and_bodies()) {
        let answer = said(&server, &request).await;
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        // An end without a word is an answer as well where no request was ever read.
        let refused = status.map_or(answer.is_empty(), |status| statuses.contains(&status));
        assert!(refused, "{case}: {answer:?}");
    }
    serves(&server, "after all of them").await;
}

/// Without it a proxy and a replica could disagree about where a request ends, and one client's words become another's call.
#[tokio::test]
async fn a_request_has_one_end() {
    let server = Server::start(Setup::default()).await;
    let hidden = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let head = format!("POST {GET} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n");
    let length = hidden.len() + 5;
    for headers in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        format!("content-length: {length}\r\ntransfer-encoding: identity, chunked\r\n"),
        format!("content-length: {length}\r\ntransfer-encoding: xchunked\r\n"),
    ] {
        let answer =
            said(&server, format!("{head}{headers}\r\n0\r\n\r\n{hidden}").as_bytes()).await;
        assert!(!answer.contains("ok\n"), "{headers}: {answer}");
    }
}

/// Without it whoever sends a byte now and then could hold all connections.
#[tokio::test]
async fn a_request_a_byte_at_a_time_is_given_up() {
    let mut setup = Setup::default();
    setup.listener.idle_timeout = Duration::from_millis(300);
    setup.listener.max_connections = 40;
    let server = Server::start(setup).await;
    let mut dribbling = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let address = server.address;
        dribbling.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut sent = 0;
            while stream
                .write_all(if sent == 0 { b"GET / HTTP/1.1\r\nx: " } else { b"y" })
                .await
                .is_ok()
            {
                sent += 1;
                Clock::system().sleep(Duration::from_millis(20)).await;
            }
        });
    }
    serves(&server, "beside them").await;
    let ended = async { while dribbling.join_next().await.is_some() {} };
    Clock::system().timeout(TOO_LONG, ended).await.expect("each is ended by the server");
}
