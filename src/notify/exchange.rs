use std::time::Duration;

use navarch_host::Clock;
use reqwest::{RequestBuilder, Response, StatusCode, header::LOCATION};
use serde::Deserialize;

use super::NotifyError;
use crate::outbound::{Body, causes, read_body};

/// Answers longer than this are not read on, in bytes.
const ANSWER_LIMIT: usize = 64 * 1024;
/// How much of an answer is repeated in a message, in bytes.
const QUOTE_LIMIT: usize = 300;

/// A successful answer: its body, as far as it was read.
pub(super) struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    /// There was more.
    cut: bool,
}

impl Answer {
    /// The body as JSON.
    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, NotifyError> {
        if self.cut {
            return Err(NotifyError::Failed(format!(
                "{} with a body over the limit of {ANSWER_LIMIT} bytes",
                self.status
            )));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let body = quote(&self.body);
            NotifyError::Failed(format!(
                "{} with a body that is not the contract's ({error}): {body}",
                self.status
            ))
        })
    }
}

/// Sends `request` and reads its answer, within `limit`. Anything but a success is an error that says what a
/// person needs to find the cause.
pub(super) async fn exchange(
    request: RequestBuilder,
    clock: &Clock,
    limit: Duration,
) -> Result<Answer, NotifyError> {
    match clock.timeout(limit, send(request)).await {
        Ok(answered) => answered,
        Err(_) => Err(NotifyError::Failed(format!("no answer within {} s", limit.as_secs_f64()))),
    }
}

async fn send(request: RequestBuilder) -> Result<Answer, NotifyError> {
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let location = response.headers().get(LOCATION).map(|value| quote(value.as_bytes()));
    let answer = read(response).await?;
    if status.is_success() {
        return Ok(answer);
    }
    if status.is_redirection() {
        let to = location.unwrap_or_else(|| "nowhere".to_owned());
        return Err(NotifyError::Failed(format!(
            "{status} (redirect to {to}, which is not followed: write the url that it leads to)"
        )));
    }
    let said = format!("{status}: {}", words(&answer.body));
    let try_again = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if status.is_client_error() && !try_again {
        return Err(NotifyError::Refused(said));
    }
    Err(NotifyError::Failed(said))
}

async fn read(response: Response) -> Result<Answer, NotifyError> {
    let status = response.status();
    let Body { bytes: body, cut } = read_body(response, ANSWER_LIMIT).await.map_err(failed)?;
    Ok(Answer { status, body, cut })
}

/// Without the url, which may hold what is nobody's business; the caller names the key that it comes from.
fn failed(error: reqwest::Error) -> NotifyError {
    NotifyError::Failed(causes(&error.without_url()))
}

#[derive(Deserialize)]
struct Words {
    #[serde(alias = "error")]
    message: String,
}

/// What a refusal says: the `message` or `error` of a JSON body, else the body's beginning.
fn words(body: &[u8]) -> String {
    match serde_json::from_slice::<Words>(body) {
        Ok(Words { message }) => quote(message.as_bytes()),
        Err(_) => quote(body),
    }
}

/// Foreign text made fit for a log line.
pub(super) fn quote(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(QUOTE_LIMIT)]);
    let shown: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    let shown = shown.trim();
    if shown.is_empty() { "(no words)".to_owned() } else { shown.to_owned() }
}

#[cfg(test)]
mod tests {
    use navarch_fuzz::Target;

    use super::*;

    #[derive(Deserialize)]
    struct Drained {
        drained: bool,
    }

    /// Without it a workload system's answer could end the leader that asked, or wreck a terminal.
    #[test]
    fn fuzz_answers_are_understood_or_quoted() {
        const WORDS: [&str; 4] = ["drained", "message", "error", "true"];
        let target = Target::text("workload-answer", &WORDS).seed(r#"{"drained": true}"#);
        target.seed(r#"{"message": "job 7 must not move", "code": 3}"#).check(|body| {
            let said = words(body);
            assert!(!said.is_empty() && !said.chars().any(char::is_control), "{said:?}");
            let answer = Answer { status: StatusCode::OK, body: body.to_vec(), cut: false };
            match answer.json::<Drained>() {
                Ok(Drained { drained }) => assert!(drained || !body.is_empty()),
                Err(error) => assert!(!error.to_string().chars().any(char::is_control)),
            }
        });
    }

    /// Without it the reason of a refusal would be lost in JSON, or wreck a terminal.
    #[test]
    fn a_refusal_is_told_in_its_own_words() {
        let table: [(&[u8], &str); 6] = [
            (br#"{"message": "job 7 must not move"}"#, "job 7 must not move"),
            (br#"{"error": "no such node", "code": 3}"#, "no such node"),
            (br#"{"error": {"code": 3}}"#, r#"{"error": {"code": 3}}"#),
            (b"not now\n", "not now"),
            (b"a\x1b[2Jb", "a [2Jb"),
            (b"", "(no words)"),
        ];
        for (body, expected) in table {
            assert_eq!(words(body), expected);
        }
        assert_eq!(words(&[b'x'; 10_000]).len(), QUOTE_LIMIT);
    }
}
