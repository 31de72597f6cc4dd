//! Messages that are not what their frames, or their coding, say.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use navarch::api::connect::Limits;
use navarch_proto::api;
use prost::Message as _;

use crate::{
    http2::serves,
    raw::*,
    table::{GET, JSON, PROTO},
    toy::{Server, Setup, clients},
};

const GRPC: &str = "application/grpc";
const STREAM: &str = "/navarch.OperatorService/WatchEvents";

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn message(flags: u8, length: u32, bytes: &[u8]) -> Vec<u8> {
    [&[flags][..], &length.to_be_bytes(), bytes].concat()
}

/// Without it a few kilobytes of gzip, sent as often as one likes, could fill the memory of a replica.
#[tokio::test]
async fn what_grows_beyond_the_limit_is_refused() {
    let limits = Limits { request_bytes: 1_000_000, ..Limits::default() };
    let server = Server::start(Setup { limits, ..Setup::default() }).await;
    let bomb = packed(&vec![b' '; 50_000_000]);
    let twice = packed(&bomb);
    let framed = message(1, u32::try_from(bomb.len()).unwrap(), &bomb);
    assert!(bomb.len() < 100_000 && twice.len() < 1_000);
    let many = bomb.repeat(10);
    for (version, client) in clients() {
        for (path, content_type, coding, body, status, text) in [
            (GET, JSON, "content-encoding", &bomb, 429, "resource_exhausted"),
            (GET, PROTO, "content-encoding", &bomb, 429, "resource_exhausted"),
            (GET, JSON, "content-encoding", &many, 429, "resource_exhausted"),
            // What is in it is gzip once more, which is no JSON.
            (GET, JSON, "content-encoding", &twice, 400, "invalid_argument"),
            (
                STREAM,
                "application/connect+json",
                "connect-content-encoding",
                &framed,
                200,
                "resource_exhausted",
            ),
        ] {
            let request = client.post(server.url(path)).header("content-type", content_type);
            let answer = request.header(coding, "gzip").body(body.clone()).send().await.unwrap();
            assert_eq!(answer.status(), status, "{version} {path} {content_type}");
            let answer = answer.text().await.unwrap();
            assert!(answer.contains(text), "{version} {path} {content_type}: {answer}");
        }
    }
    serves(&server, "after them").await;
}

/// What the body of a gRPC call may be that it must not be.
fn wrong_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let get = api::GetNodeRequest { node_id: "m0".to_owned() }.encode_to_vec();
    let length = u32::try_from(get.len()).unwrap();
    let whole = message(0, length, &get);
    vec![
        ("nothing", Vec::new()),
        ("a part of a head", vec![0, 0, 0]),
        ("a head alone", message(0, 10, &[])),
        ("a message that is cut short", message(0, 100, b"abc")),
        ("a message of 4 GiB", message(0, u32::MAX, b"abc")),
        ("flags that nobody knows", message(0x80, length, &get)),
        ("a compressed message without a coding", message(1, length, &get)),
        ("two messages", [whole.clone(), whole.clone()].concat()),
        ("something after the message", [whole, vec![0]].concat()),
        ("bytes that are no message", message(0, 4, &[0xff; 4])),
        ("text that is not UTF-8", message(0, 4, &[10, 2, 0xff, 0xfe])),
        (
            "a field that is longer than the message",
            message(0, 6, &[10, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ),
        ("a group", message(0, 1, &[11])),
    ]
}

/// Without it a message that is cut short, or longer than any, would be waited for, or end the calls beside it.
#[tokio::test]
async fn wrong_grpc_messages_are_answered() {
    let server = Server::start(Setup::default()).await;
    let mut raw = Raw::open(server.address, &[]).await;
    let mut stream = 1;
    for content_type in [GRPC, "application/grpc-web+proto", "application/connect+proto"] {
        for (case, body) in wrong_bodies() {
            println!("{content_type}: {case}");
            let path = if content_type.contains("connect") { STREAM } else { GET };
            let opening = frame(HEADERS, END_HEADERS, stream, &head(path, content_type, &[]));
            raw.write(&[opening, frame(DATA, END_STREAM, stream, &body)].concat()).await;
            raw.until(|said| matches!(said, Said::Headers | Said::Reset)).await;
            stream += 2;
        }
    }
    // And what the length says at once is not waited for: the rest of it never comes.
    let opening = frame(HEADERS, END_HEADERS, stream, &head(GET, GRPC, &[]));
    raw.write(&[opening, frame(DATA, 0, stream, &message(0, u32::MAX, b"abc"))].concat()).await;
    raw.until(|said| matches!(said, Said::Headers | Said::Reset)).await;
    serves(&server, "after all of them").await;
}
