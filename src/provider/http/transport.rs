use std::time::Duration;

use navarch_host::Clock;
use reqwest::{
    RequestBuilder, Response, StatusCode,
    header::{HeaderMap, LOCATION, RETRY_AFTER},
};

use crate::outbound::{Body, causes, read_body};

/// Answers longer than this are not read on.
pub(super) const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// A `retry-after` is not taken to mean less or more than this.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// What came back, whatever it says.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Why nothing whole came back.
#[derive(Debug)]
pub(super) enum Loss {
    /// No connection was made: the request cannot have had an effect.
    NotSent(String),
    /// The request may have been carried out.
    Lost(String),
}

/// Sends `request` and reads its whole answer, within `limit`.
pub(super) async fn exchange(
    request: RequestBuilder,
    clock: &Clock,
    limit: Duration,
) -> Result<Reply, Loss> {
    match clock.timeout(limit, send(request, clock)).await {
        Ok(result) => result,
        Err(_) => Err(Loss::Lost(format!("no answer within {} s", limit.as_secs_f64()))),
    }
}

async fn send(request: RequestBuilder, clock: &Clock) -> Result<Reply, Loss> {
    let response = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            Loss::NotSent(causes(&error))
        } else {
            Loss::Lost(causes(&error))
        }
    })?;
    let status = response.status();
    let retry_after = retry_after(response.headers(), clock.wall_ms());
    let location = response
        .headers()
        .get(LOCATION)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    Ok(Reply { status, retry_after, location, body: read(response).await? })
}

async fn read(response: Response) -> Result<Vec<u8>, Loss> {
    let broken = |error| Loss::Lost(format!("the answer broke off: {}", causes(&error)));
    let Body { bytes, cut } = read_body(response, ANSWER_LIMIT).await.map_err(broken)?;
    if cut {
        return Err(Loss::Lost(format!(
            "the answer is longer than the limit of {ANSWER_LIMIT} bytes"
        )));
    }
    Ok(bytes)
}

/// `retry-after` as seconds or as an HTTP date.
fn retry_after(headers: &HeaderMap, wall_ms: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let at_ms = u64::try_from(at.as_millisecond()).ok()?;
            Duration::from_millis(at_ms.saturating_sub(wall_ms))
        }
    };
    Some(wait.clamp(SHORTEST_WAIT, LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a provider's pause would be ignored, or one of a year obeyed.
    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        // 1994-11-06T08:49:30Z.
        let wall_ms = 784_111_770_000;
        let table = [
            ("7", Some(7)),
            ("0", Some(1)),
            ("99999999", Some(3_600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1993 08:49:37 GMT", None),
            ("soon", None),
        ];
        for (text, seconds) in table {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, wall_ms), expected, "{text}");
        }
    }
}
