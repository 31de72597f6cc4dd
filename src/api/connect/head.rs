use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use navarch_host::{Clock, Moment};
use tonic::Status;

use super::gzip::{self, Coding};

const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const STREAM_CODING: HeaderName = HeaderName::from_static("connect-content-encoding");
const STREAM_ACCEPTS: HeaderName = HeaderName::from_static("connect-accept-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Headers that belong to this hop, to Connect or to gRPC, and so are no metadata of the call.
const NO_METADATA: [HeaderName; 18] = [
    ACCEPT,
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    HOST,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    VERSION,
    TIMEOUT,
    STREAM_CODING,
    STREAM_ACCEPTS,
    GRPC_TIMEOUT,
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
];

/// The largest number that fits the eight digits of `grpc-timeout`.
const MOST_GRPC_UNITS: u128 = 99_999_999;

/// What the headers of a Connect call say about the call itself.
#[derive(Debug)]
pub(super) struct CallHead {
    pub(super) deadline: Option<Moment>,
    pub(super) coding: Coding,
    pub(super) accepts_gzip: bool,
    /// The client sends its body only once it is told to.
    pub(super) expects_continue: bool,
}

impl CallHead {
    /// The head of a unary call.
    pub(super) fn of_unary(headers: &HeaderMap, clock: &Clock) -> Result<Self, Status> {
        Self::read(headers, &CONTENT_ENCODING, &ACCEPT_ENCODING, clock)
    }

    /// The head of a streaming call, where each message is compressed by itself.
    pub(super) fn of_stream(headers: &HeaderMap, clock: &Clock) -> Result<Self, Status> {
        Self::read(headers, &STREAM_CODING, &STREAM_ACCEPTS, clock)
    }

    fn read(
        headers: &HeaderMap,
        coding: &HeaderName,
        accepts: &HeaderName,
        clock: &Clock,
    ) -> Result<Self, Status> {
        if let Some(version) = headers.get(&VERSION)
            && version != "1"
        {
            return Err(Status::invalid_argument(format!(
                "connect-protocol-version must be 1, not {version:?}"
            )));
        }
        let coding = Coding::of_request(headers, coding)?;
        let accepts_gzip = match headers.get(accepts) {
            Some(list) => list.to_str().is_ok_and(gzip::accepts_gzip),
            // The client that says nothing takes what it sends.
            None => coding == Coding::Gzip,
        };
        Ok(Self {
            deadline: timeout(headers)?.map(|timeout| clock.now() + timeout),
            coding,
            accepts_gzip,
            expects_continue: headers.contains_key(EXPECT),
        })
    }
}

/// The caller's time limit, from `connect-timeout-ms`.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get(&TIMEOUT) else {
        return Ok(None);
    };
    let digits = value.as_bytes();
    let well_formed = (1..=10).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let milliseconds = value.to_str().ok().filter(|_| well_formed);
    match milliseconds.and_then(|text| text.parse().ok()) {
        Some(milliseconds) => Ok(Some(Duration::from_millis(milliseconds))),
        None => Err(Status::invalid_argument(format!(
            "connect-timeout-ms must be a number of milliseconds of at most 10 digits, not {value:?}"
        ))),
    }
}

/// Makes the headers of a Connect call those of the same call in gRPC, with `left` of its time.
pub(super) fn become_grpc(headers: &mut HeaderMap, left: Option<Duration>) {
    for name in NO_METADATA {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    // Digits and a letter are always a header value.
    if let Some(value) = left.and_then(|left| HeaderValue::try_from(grpc_timeout(left)).ok()) {
        headers.insert(GRPC_TIMEOUT, value);
    }
}

/// `left` as gRPC writes it, rounded up.
fn grpc_timeout(left: Duration) -> String {
    let milliseconds = left.as_nanos().div_ceil(1_000_000);
    if milliseconds <= MOST_GRPC_UNITS {
        format!("{milliseconds}m")
    } else {
        format!("{}S", milliseconds.div_ceil(1_000).min(MOST_GRPC_UNITS))
    }
}

/// Makes the headers of a gRPC answer those of a Connect answer.
pub(super) fn become_connect(headers: &mut HeaderMap) {
    for name in [CONTENT_TYPE, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, TRAILER] {
        headers.remove(name);
    }
    remove_grpc(headers);
}

/// Takes out what gRPC says in headers or trailers about itself.
pub(super) fn remove_grpc(headers: &mut HeaderMap) {
    let names: Vec<_> =
        headers.keys().filter(|name| name.as_str().starts_with("grpc-")).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a caller's deadline could be lost or stretched on its way to the handler.
    #[test]
    fn timeouts_become_those_of_grpc() {
        let cases = [
            (0, "0m"),
            (1, "1m"),
            (99_999_999, "99999999m"),
            (100_000_000, "100000S"),
            (9_999_999_999, "10000000S"),
        ];
        for (milliseconds, expected) in cases {
            let left = Duration::from_millis(milliseconds);
            assert_eq!(grpc_timeout(left), expected, "{milliseconds}");
        }
        assert_eq!(grpc_timeout(Duration::from_micros(1_500)), "2m");
    }

    /// Without it a mistyped time limit would silently be none at all.
    #[test]
    fn a_bad_timeout_is_refused() {
        for text in ["", "1s", "-1", "+1", "1.5", "12345678901", "ten"] {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, HeaderValue::from_static(text));
            let status = timeout(&headers).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{text}");
        }
    }

    /// Without it a client could forge gRPC's own headers, or its metadata not reach the handler.
    #[test]
    fn only_metadata_reaches_the_handler() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("navarch-request-id", "r"),
            ("grpc-timeout", "1H"),
            ("grpc-encoding", "gzip"),
            ("content-encoding", "gzip"),
            ("connect-timeout-ms", "5"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        become_grpc(&mut headers, Some(Duration::from_millis(4)));
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["authorization", "content-type", "grpc-timeout", "navarch-request-id", "te"]
        );
        assert_eq!(headers[GRPC_TIMEOUT], "4m");
    }
}
