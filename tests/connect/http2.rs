//! HTTP/2 as nobody should speak it: what is said to whom speaks it so, and that others do not notice.

use std::time::Duration;

use navarch_host::Clock;

use crate::{
    grpc,
    raw::*,
    table::{GET, JSON},
    toy::{Server, Setup, clients},
};

/// Both versions of HTTP are served, on connections of their own.
pub(crate) async fn serves(server: &Server, case: &str) {
    for (version, client) in clients() {
        let request = client.post(server.url(GET)).header("content-type", JSON);
        let answer = request.body(r#"{"nodeId":"long"}"#).send().await;
        let length = answer.unwrap().bytes().await.unwrap().len();
        assert!(length > 3_000_000, "{case}: {version}: {length}");
    }
}

fn call(stream: u32, flags: u8, more: &[(&str, &[u8])]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &head(GET, JSON, more))
}

/// Headers of stream 1, in as many frames as they take, that end it.
fn in_pieces(block: &[u8]) -> Vec<u8> {
    let (first, rest) = block.split_at(block.len().min(16_000));
    let mut frames = frame(HEADERS, END_STREAM, 1, first);
    for piece in rest.chunks(16_000) {
        frames.extend(frame(CONTINUATION, 0, 1, piece));
    }
    frames.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
    frames
}

/// A header of 1 KiB that enters the table, and then one byte for each time that it comes again.
fn bomb() -> Vec<u8> {
    let header = block(&[("x", &[b'y'; 1_000])]);
    // With the bit that has it enter; 62 is the first entry of the table that is not fixed.
    [head(GET, JSON, &[]), vec![0x40], header[1..].to_vec(), vec![0x80 | 62; 12_000]].concat()
}

/// What breaks the rules of the connection: it is over.
fn wrong_frames() -> Vec<(&'static str, Vec<u8>)> {
    let open = call(1, 0, &[]);
    let closed = [call(1, END_STREAM, &[]), frame(RST_STREAM, 0, 1, &[0; 4])].concat();
    let with = |first: &[u8], then: Vec<u8>| [first, &then].concat();
    vec![
        ("settings of 5 bytes", frame(SETTINGS, 0, 0, &[0; 5])),
        ("an acknowledgement with settings", frame(SETTINGS, ACK, 0, &[0; 6])),
        ("settings of a stream", frame(SETTINGS, 0, 1, &[])),
        ("a window of 2^31", frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])),
        ("frames of 100 bytes", frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 100])),
        ("a ping of 7 bytes", frame(PING, 0, 0, &[0; 7])),
        ("a ping of a stream", frame(PING, 0, 1, &[0; 8])),
        ("a window update of 3 bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3])),
        ("a window update by nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a window of more than 2^31", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ("the reset of a stream that never was", frame(RST_STREAM, 0, 5, &[0; 4])),
        ("a reset of 3 bytes", with(&open, frame(RST_STREAM, 0, 1, &[0; 3]))),
        ("data of a stream that never was", frame(DATA, 0, 5, b"x")),
        ("data of no stream", frame(DATA, 0, 0, b"x")),
        ("headers of no stream", frame(HEADERS, END_HEADERS, 0, &head(GET, JSON, &[]))),
        ("a stream of the server's", call(2, END_STREAM, &[])),
        (
            "a stream that is older than the last",
            with(&call(5, END_STREAM, &[]), call(3, END_STREAM, &[])),
        ),
        ("headers after the reset", with(&closed, call(1, END_STREAM, &[]))),
        ("a push", frame(PUSH_PROMISE, END_HEADERS, 1, &[0; 8])),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &[])),
        (
            "another frame between headers",
            with(&frame(HEADERS, 0, 1, &[]), frame(PING, 0, 0, &[0; 8])),
        ),
        ("padding longer than the frame", frame(HEADERS, END_HEADERS | PADDED, 1, &[200, 0, 0])),
        ("a table entry that is not there", frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0x7f])),
        ("a header that ends in its length", frame(HEADERS, END_HEADERS, 1, &[0, 0x7f])),
        ("a table of 4 GiB", frame(HEADERS, END_HEADERS, 1, &[0x3f, 0xe1, 0xff, 0xff, 0xff, 0x0f])),
        (
            "bad Huffman codes",
            frame(HEADERS, END_HEADERS, 1, &[0, 0x84, 0xff, 0xff, 0xff, 0xff, 0]),
        ),
        ("a frame of 16 MiB", framed(0xff_ffff, (DATA, 0, 1), &[0; 64])),
        ("a frame that is longer than any", framed(16_385, (HEADERS, END_HEADERS, 1), &[0; 64])),
    ]
}

/// What breaks the rules of one request: that one is refused, by whatever means, and the connection holds.
fn wrong_requests() -> Vec<(&'static str, Vec<u8>)> {
    let headers =
        |headers: &[(&str, &[u8])]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(headers));
    let with = |more: &[(&str, &[u8])]| call(1, END_STREAM, more);
    vec![
        ("no path", headers(&[(":method", b"POST"), (":scheme", b"http")])),
        ("no method", headers(&[(":path", b"/"), (":scheme", b"http")])),
        (
            "two paths",
            headers(&[
                (":method", b"GET"),
                (":path", b"/"),
                (":path", b"/b"),
                (":scheme", b"http"),
            ]),
        ),
        ("a pseudo-header of answers", with(&[(":status", b"200")])),
        ("a pseudo-header after others", with(&[(":authority", b"b")])),
        ("capital letters", with(&[("X-Node", b"a")])),
        ("a header of HTTP/1.1", with(&[("connection", b"close")])),
        ("transfer-encoding", with(&[("transfer-encoding", b"chunked")])),
        ("a line break in a value", with(&[("x", b"a\r\nb: c")])),
        ("a NUL in a value", with(&[("x", b"a\0b")])),
        ("a name with a space", with(&[("x y", b"a")])),
        ("an empty name", with(&[("", b"a")])),
        (
            "a path that is not UTF-8",
            headers(&[
                (":method", b"GET"),
                (":scheme", b"http"),
                (":authority", b"a"),
                (":path", b"/\xff\xfe"),
            ]),
        ),
        (
            "an authority that is none",
            headers(&[
                (":method", b"GET"),
                (":scheme", b"http"),
                (":authority", b"a b:c:d"),
                (":path", b"/healthz"),
            ]),
        ),
    ]
}

/// What breaks the rules of a request's body, of its length, or of what bounds its headers.
fn wrong_lengths() -> Vec<(&'static str, Vec<u8>)> {
    let with = |more: &[(&str, &[u8])]| call(1, END_STREAM, more);
    let short = call(1, 0, &[("content-length", b"2")]);
    let long = block(&[("x", &[b'y'; 100_000])]);
    let trailers = |block: &[u8]| {
        let end = frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
        [call(1, 0, &[]), frame(DATA, 0, 1, b"{"), end].concat()
    };
    vec![
        ("a value that is not UTF-8", with(&[("connect-timeout-ms", b"\xff\xfe")])),
        ("a length that is none", with(&[("content-length", b"-1")])),
        ("less than the length", with(&[("content-length", b"10")])),
        ("more than the length", [short, frame(DATA, END_STREAM, 1, b"{\"a\":1}")].concat()),
        ("data after the end", [with(&[]), frame(DATA, END_STREAM, 1, b"{}")].concat()),
        ("pseudo-headers in trailers", trailers(&block(&[(":path", b"/b")]))),
        ("a status in trailers", trailers(&block(&[("grpc-status", b"0")]))),
        (
            "trailers that are too long",
            [call(1, 0, &[]), frame(DATA, 0, 1, b"{"), in_pieces(&long)].concat(),
        ),
        (
            "a stream that waits for itself",
            [call(1, 0, &[]), frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0])].concat(),
        ),
        (
            "a window of more than 2^31",
            [call(1, 0, &[]), frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])].concat(),
        ),
        (
            "too many headers",
            in_pieces(&[head(GET, JSON, &[]), block(&[("a", &b"b"[..]); 10_000])].concat()),
        ),
        ("a header that is too long", in_pieces(&[head(GET, JSON, &[]), long].concat())),
        ("a kilobyte, seventy times over from the table", in_pieces(&bomb())),
    ]
}

/// Without it a broken or hostile client would be left waiting, or others with it.
#[tokio::test]
async fn wrong_frames_end_their_connection_alone() {
    let server = Server::start(Setup::default()).await;
    let mut beside = Raw::open(server.address, &[]).await;
    for (case, bytes) in wrong_frames() {
        let mut raw = Raw::open(server.address, &[]).await;
        raw.write(&bytes).await;
        println!("{case}");
        raw.end().await;
        beside.write(&frame(PING, 0, 0, &[7; 8])).await;
        beside.until(|said| *said == Said::Pong).await;
    }
    let wrong = b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n";
    for opening in [
        &wrong[..],
        &[PREFACE, &[0xff; 64]].concat(),
        &[PREFACE, b"GET / HTTP/1.1\r\n\r\n"].concat(),
    ] {
        Raw::send(server.address, opening).await.end().await;
    }
    serves(&server, "after all of them").await;
}

/// Without it a wrong request would end the calls beside it, or wait for an answer for ever.
#[tokio::test]
async fn wrong_requests_are_refused_alone() {
    let server = Server::start(Setup::default()).await;
    for (case, bytes) in wrong_requests().into_iter().chain(wrong_lengths()) {
        let mut raw = Raw::open(server.address, &[]).await;
        raw.write(&bytes).await;
        println!("{case}");
        let refused = |said: &Said| matches!(said, Said::Reset | Said::Headers | Said::GoAway);
        if raw.until(refused).await == Said::GoAway {
            raw.end().await;
            continue;
        }
        let next = [call(3, 0, &[]), frame(DATA, END_STREAM, 3, b"{\"nodeId\":\"a\"}")].concat();
        raw.write(&next).await;
        let answered = |said: &Said| matches!(said, Said::Data(data) if data.starts_with(b"{"));
        raw.until(answered).await;
    }
    serves(&server, "after all of them").await;
}

/// Without it a client that opens no window would hold its answers, all that its limit of calls allows, for as long as it
/// answers pings.
#[tokio::test]
async fn a_client_without_a_window_is_dropped() {
    let mut setup = Setup::default();
    setup.listener.write_timeout = Duration::from_millis(300);
    let server = Server::start(setup).await;
    // Settings 4: the first window of each stream.
    for window in [0, 1, 10_000] {
        let mut raw = Raw::open(server.address, &[(4, window)]).await;
        for stream in (1..200).step_by(2) {
            raw.write(&call(stream, 0, &[])).await;
            raw.write(&frame(DATA, END_STREAM, stream, b"{\"nodeId\":\"long\"}")).await;
        }
        serves(&server, "beside a client without a window").await;
        raw.end().await;
    }
    // The connection's own window is never opened either; it is 65,535 bytes.
    let mut raw = Raw::open(server.address, &[(4, 1_000_000)]).await;
    raw.write(&call(1, 0, &[])).await;
    raw.write(&frame(DATA, END_STREAM, 1, b"{\"nodeId\":\"long\"}")).await;
    raw.end().await;
}

/// Without it a body that never ends would hold its call.
#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let mut setup = Setup::default();
    setup.limits.body_idle = Duration::from_millis(200);
    let server = Server::start(setup).await;
    for content_type in [JSON, "application/grpc", "application/grpc-web"] {
        let mut raw = Raw::open(server.address, &[]).await;
        let opening = frame(HEADERS, END_HEADERS, 1, &head(GET, content_type, &[]));
        raw.write(&[opening, frame(DATA, 0, 1, b"\0\0")].concat()).await;
        raw.until(|said| matches!(said, Said::Headers | Said::Reset)).await;
    }
    serves(&server, "after them").await;
}

/// Without it headers that never end would be kept, a piece at a time.
#[tokio::test]
async fn headers_without_an_end_are_given_up() {
    let mut setup = Setup::default();
    setup.listener.keepalive_interval = Duration::from_millis(200);
    let server = Server::start(setup).await;
    let mut raw = Raw::open(server.address, &[]).await;
    raw.write(&frame(HEADERS, 0, 1, &head(GET, JSON, &[]))).await;
    // Nothing but a continuation may follow, so that no ping can be answered.
    raw.end().await;
    for piece in [&[][..], &block(&[("x", &[b'y'; 8_000])])] {
        let mut raw = Raw::open(server.address, &[]).await;
        raw.write(&frame(HEADERS, 0, 1, &head(GET, JSON, &[]))).await;
        while raw.write(&frame(CONTINUATION, 0, 1, piece).repeat(100)).await {}
    }
    serves(&server, "after them").await;
}

/// Without it the calls of one connection could be as many as it likes.
#[tokio::test]
async fn calls_over_the_limit_are_refused() {
    let mut setup = Setup::default();
    setup.listener.max_streams = 4;
    let server = Server::start(setup).await;
    let mut raw = Raw::open(server.address, &[]).await;
    let never = |stream| {
        [call(stream, 0, &[]), frame(DATA, END_STREAM, stream, b"{\"nodeId\":\"never\"}")].concat()
    };
    for stream in [1, 3, 5, 7, 9] {
        raw.write(&never(stream)).await;
    }
    raw.until(|said| *said == Said::Reset).await;
    let mut client = grpc::client(&server).await;
    let request = navarch_proto::api::GetNodeRequest { node_id: "timeout".to_owned() };
    client.get_node(request).await.unwrap();
    drop(raw);
    Clock::system().timeout(Duration::from_secs(20), serves(&server, "after it")).await.unwrap();
}
