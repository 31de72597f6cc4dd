use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::transport::{Loss, Reply};
use crate::provider::ProviderError;

/// How much of an answer is repeated in a message.
const QUOTE_LIMIT: usize = 300;

/// The wait after a 429 that does not name one.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a request can have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Buys or gives back: silence leaves its effect unknown.
    Change,
    /// Changes nothing.
    Read,
}

impl Kind {
    /// The error for an answer that settles nothing.
    pub(super) fn unsettled(self, message: String) -> ProviderError {
        match self {
            Self::Change => ProviderError::Ambiguous(message),
            Self::Read => ProviderError::Unanswered(message),
        }
    }

    /// The error for an exchange that did not come to its end.
    pub(super) fn lost(self, loss: Loss) -> ProviderError {
        match loss {
            Loss::NotSent(message) => ProviderError::Unreachable(message),
            Loss::Lost(message) => self.unsettled(message),
        }
    }

    /// The error for an answer that is not one of those wished for.
    pub(super) fn refused(self, reply: &Reply) -> ProviderError {
        let (code, message) = error_of(&reply.body);
        let said = format!("{}: {message}", reply.status);
        if reply.status.is_redirection() {
            let to = quote(reply.location.as_deref().unwrap_or("nowhere").as_bytes());
            return self.unsettled(format!(
                "{said} (redirect to {to}, which is not followed: set the provider's url)"
            ));
        }
        match reply.status {
            StatusCode::TOO_MANY_REQUESTS => ProviderError::RateLimited {
                message: said,
                retry_after: reply.retry_after.unwrap_or(DEFAULT_RETRY_AFTER),
            },
            StatusCode::UNAUTHORIZED => ProviderError::Unauthorized(said),
            // The same key with another body: something was bought under it, or may be.
            StatusCode::CONFLICT => self.unsettled(said),
            status if status.is_client_error() || status.is_server_error() => match code.as_str() {
                "insufficient_capacity" => ProviderError::Capacity(said),
                "quota_exceeded" => ProviderError::Quota(said),
                "invalid_request" => ProviderError::Invalid(said),
                _ => self.unsettled(said),
            },
            _ => self.unsettled(said),
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    code: String,
    #[serde(default)]
    message: String,
}

/// Code and message of an error body; of any other body no code, and its beginning as the message.
fn error_of(body: &[u8]) -> (String, String) {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(ErrorBody { error }) => {
            let message = format!("{}: {}", error.code, error.message);
            (error.code, quote(message.as_bytes()))
        }
        Err(_) => (String::new(), quote(body)),
    }
}

/// Foreign text made fit for a log line.
pub(super) fn quote(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(QUOTE_LIMIT)]);
    let shown: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    if shown.trim().is_empty() { "(empty)".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Conclusion;

    fn reply(status: u16, code: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: Some(Duration::from_secs(9)),
            location: None,
            body: format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#).into_bytes(),
        }
    }

    /// Without it an order could be given up that had bought a machine, or kept for ever that never will.
    #[test]
    fn the_contracts_table_of_conclusions_holds() {
        let nine = Duration::from_secs(9);
        let five = Duration::from_secs(5);
        let table = [
            (503, "insufficient_capacity", Conclusion::Final),
            (403, "quota_exceeded", Conclusion::Final),
            (422, "invalid_request", Conclusion::Final),
            (500, "insufficient_capacity", Conclusion::Final),
            (429, "rate_limited", Conclusion::Wait(nine)),
            (429, "quota_exceeded", Conclusion::Wait(nine)),
            (401, "unauthorized", Conclusion::Wait(five)),
            (409, "idempotency_mismatch", Conclusion::Ambiguous),
            (409, "invalid_request", Conclusion::Ambiguous),
            (500, "internal", Conclusion::Ambiguous),
            (502, "", Conclusion::Ambiguous),
            (503, "maintenance", Conclusion::Ambiguous),
            (504, "", Conclusion::Ambiguous),
            (404, "", Conclusion::Ambiguous),
            (302, "", Conclusion::Ambiguous),
            (202, "", Conclusion::Ambiguous),
        ];
        for (status, code, expected) in table {
            let error = Kind::Change.refused(&reply(status, code));
            assert_eq!(error.conclusion(), expected, "{status} {code}: {error}");
        }
    }

    /// Without it a failed read would hold up an instance as if something might have been bought.
    #[test]
    fn a_read_is_never_ambiguous() {
        for status in [302, 404, 409, 500, 503] {
            let error = Kind::Read.refused(&reply(status, "internal"));
            assert!(matches!(error, ProviderError::Unanswered(_)), "{error:?}");
        }
    }

    /// Without it a cloud could write line breaks, or megabytes, into our logs and journal.
    #[test]
    fn foreign_text_is_made_short_and_plain() {
        let long = vec![b'x'; 10_000];
        assert_eq!(quote(&long).len(), QUOTE_LIMIT);
        assert_eq!(quote(b"a\nb\x1b[2J"), "a b [2J");
        assert_eq!(quote(b" \n"), "(empty)");
    }
}
