use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header, uri};
use navarch_host::Clock;
use secrecy::{ExposeSecret, SecretString};

use super::{ClientError, address::Address};

const REQUEST_ID: HeaderName = HeaderName::from_static("navarch-request-id");
const CONSISTENCY: HeaderName = HeaderName::from_static("navarch-consistency");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const APPLIED_INDEX: &str = "navarch-applied-index";
const LEADER: &str = "navarch-leader";

const USER_AGENT: &str = concat!("navarch/", env!("CARGO_PKG_VERSION"));

/// A gRPC time-out has at most 8 digits.
const MAX_TIMEOUT_MS: u128 = 99_999_999;

/// The value of `authorization` for `token`.
pub(super) fn bearer(token: &SecretString) -> Result<HeaderValue, ClientError> {
    let text = format!("Bearer {}", token.expose_secret());
    let mut value = HeaderValue::try_from(text).map_err(|_| ClientError::BadToken)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A new request id: a UUID of version 7, whose time is the clock's.
pub(super) fn mint_request_id(clock: &Clock) -> String {
    let random: [u8; 10] = rand::random();
    uuid::Builder::from_unix_timestamp_millis(clock.wall_ms(), &random).into_uuid().to_string()
}

/// What a try says beside its message.
pub(super) struct Metadata<'a> {
    pub(super) authorization: Option<&'a HeaderValue>,
    pub(super) request_id: Option<&'a HeaderValue>,
    pub(super) stale: bool,
    pub(super) timeout: Option<Duration>,
}

/// The head of a request for `path` at `address`.
pub(super) fn request(address: &Address, path: &'static str, metadata: &Metadata) -> Request<()> {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(if address.tls { uri::Scheme::HTTPS } else { uri::Scheme::HTTP });
    parts.authority = Some(address.authority.clone());
    parts.path_and_query = Some(uri::PathAndQuery::from_static(path));
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    // The parts are complete, so the conversion cannot fail; a default would be refused by the replica.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    let headers = request.headers_mut();
    headers.reserve(7);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    if let Some(authorization) = metadata.authorization {
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    if let Some(id) = metadata.request_id {
        headers.insert(REQUEST_ID, id.clone());
    }
    if metadata.stale {
        headers.insert(CONSISTENCY, HeaderValue::from_static("stale"));
    }
    if let Some(value) = metadata.timeout.and_then(grpc_timeout) {
        headers.insert(GRPC_TIMEOUT, value);
    }
    request
}

/// A time-out as gRPC writes it: milliseconds, or seconds where those have too many digits.
fn grpc_timeout(timeout: Duration) -> Option<HeaderValue> {
    let ms = timeout.as_millis();
    let text = if ms <= MAX_TIMEOUT_MS {
        format!("{}m", ms.max(1))
    } else {
        format!("{}S", timeout.as_secs().min(99_999_999))
    };
    HeaderValue::try_from(text).ok()
}

/// `navarch-applied-index` of an answer.
pub(super) fn applied_index(headers: &HeaderMap) -> Option<u64> {
    headers.get(APPLIED_INDEX)?.to_str().ok()?.parse().ok()
}

/// `navarch-leader` of an answer.
pub(super) fn leader(headers: &HeaderMap) -> Option<&str> {
    headers.get(LEADER)?.to_str().ok().filter(|leader| !leader.is_empty())
}

#[cfg(test)]
mod tests {
    use navarch_host::FakeClock;

    use super::*;

    /// Without it a long deadline would be refused by every gRPC server.
    #[test]
    fn timeouts_have_at_most_eight_digits() {
        for (timeout, text) in [
            (Duration::ZERO, "1m"),
            (Duration::from_millis(1_500), "1500m"),
            (Duration::from_secs(200_000), "200000S"),
            (Duration::MAX, "99999999S"),
        ] {
            assert_eq!(grpc_timeout(timeout).unwrap(), text);
        }
    }

    /// Without it ids would not sort by time, or would tell the real time under a fake clock.
    #[test]
    fn request_ids_carry_the_clocks_time() {
        let clock = Clock::fake(FakeClock::new(0x0123_4567_89ab));
        let id = mint_request_id(&clock);
        assert!(id.starts_with("01234567-89ab-7"), "{id}");
        assert_ne!(id, mint_request_id(&clock));
    }
}
