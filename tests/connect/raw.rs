//! Connections whose client writes frames of HTTP/2 by hand (RFC 9113), as no library would.

use std::{net::SocketAddr, time::Duration};

use navarch_host::Clock;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
/// Of settings and pings: an answer.
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

/// What ends a test that waits for an answer in vain.
const TOO_LONG: Duration = Duration::from_secs(20);

/// How long a flood waits for room.
const ENOUGH: Duration = Duration::from_secs(1);

/// A frame with its length put right.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    framed(u32::try_from(payload.len()).unwrap(), (kind, flags, stream), payload)
}

/// A frame that says that it has `length` bytes.
pub(crate) fn framed(length: u32, (kind, flags, stream): (u8, u8, u32), payload: &[u8]) -> Vec<u8> {
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Headers without compression: each a literal that enters no table (RFC 7541, section 6.2.2).
pub(crate) fn block(headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name.as_bytes(), value] {
            integer(text.len(), &mut block);
            block.extend(text);
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541, section 5.1).
fn integer(mut number: usize, out: &mut Vec<u8>) {
    if number < 127 {
        return out.push(u8::try_from(number).unwrap());
    }
    out.push(127);
    number -= 127;
    while number >= 128 {
        out.push(u8::try_from(number % 128).unwrap() | 128);
        number /= 128;
    }
    out.push(u8::try_from(number).unwrap());
}

/// The head of a call of `path`, with more headers.
pub(crate) fn head(path: &str, content_type: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    let mut headers: Vec<(&str, &[u8])> = vec![
        (":method", b"POST"),
        (":scheme", b"http"),
        (":path", path.as_bytes()),
        (":authority", b"a"),
        ("content-type", content_type.as_bytes()),
        ("te", b"trailers"),
    ];
    headers.extend(more);
    block(&headers)
}

/// What the server said to a stream, or to the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The connection is over.
    End,
    GoAway,
    Reset,
    /// Headers, or trailers, of an answer. They are compressed, and nobody here reads them.
    Headers,
    Data(Vec<u8>),
    /// An acknowledgement of a ping.
    Pong,
    /// Anything that is no answer.
    Other,
}

/// A client's end of a connection.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    /// Sends `bytes` and nothing else; the server may be gone before they are through.
    pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> Self {
        let mut raw = Self(TcpStream::connect(address).await.unwrap());
        raw.write(bytes).await;
        raw
    }

    /// A connection with the given settings.
    pub(crate) async fn open(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        let opening = [PREFACE, &frame(SETTINGS, 0, 0, &payload), &frame(SETTINGS, ACK, 0, &[])];
        Self::send(address, &opening.concat()).await
    }

    /// Whether the server has taken them.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        let written = Clock::system().timeout(TOO_LONG, self.0.write_all(bytes)).await;
        written.expect("the server reads, or ends the connection").is_ok()
    }

    /// Whether the server has taken them, or may yet: one that takes nothing more for a while has had enough too.
    pub(crate) async fn write_if_room(&mut self, bytes: &[u8]) -> bool {
        let written = Clock::system().timeout(ENOUGH, self.0.write_all(bytes)).await;
        written.is_ok_and(|written| written.is_ok())
    }

    /// The next frame.
    pub(crate) async fn hear(&mut self) -> Said {
        let heard = Clock::system().timeout(TOO_LONG, self.next()).await;
        heard.expect("the server says something")
    }

    async fn next(&mut self) -> Said {
        let mut head = [0; 9];
        if self.0.read_exact(&mut head).await.is_err() {
            return Said::End;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        if self.0.read_exact(&mut payload).await.is_err() {
            return Said::End;
        }
        match (head[3], head[4]) {
            (DATA, _) => Said::Data(payload),
            (HEADERS, _) => Said::Headers,
            (RST_STREAM, _) => Said::Reset,
            (GOAWAY, _) => Said::GoAway,
            (PING, ACK) => Said::Pong,
            _ => Said::Other,
        }
    }

    /// Reads on until the server says something that `wanted` is.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Said) -> bool) -> Said {
        loop {
            let said = self.hear().await;
            if wanted(&said) {
                return said;
            }
            assert_ne!(said, Said::End, "the connection is over");
        }
    }

    /// Reads on until the connection is over.
    pub(crate) async fn end(&mut self) {
        while self.hear().await != Said::End {}
    }
}
