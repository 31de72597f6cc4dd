//! Webhooks against a server of this process that behaves as badly as real ones do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use navarch_host::{Clock, FakeClock};
use navarch_proto::fleet::NotifierSpec;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

use super::{Channels, DrainStatus, HealthTransition, Notice, NotifyError};

/// 2026-01-01T00:00:00.250Z.
const AT_MS: u64 = 1_767_225_600_250;

/// A call that came: method, path with query, the token, the body.
type Call = (String, String, String, String);

#[derive(Clone)]
struct Served {
    url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    /// How often `/flaky` has failed.
    failures: Arc<Mutex<u32>>,
    arrived: mpsc::UnboundedSender<()>,
}

async fn serve() -> (Served, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (arrived, arrivals) = mpsc::unbounded_channel();
    let served = Served {
        url: format!("http://{}", listener.local_addr().unwrap()),
        calls: Arc::default(),
        failures: Arc::default(),
        arrived,
    };
    let router = Router::new().fallback(answer).with_state(served.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (served, arrivals)
}

async fn answer(State(served): State<Served>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let token = parts.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    served.calls.lock().unwrap().push((
        parts.method.to_string(),
        parts.uri.to_string(),
        token.unwrap_or_default(),
        String::from_utf8(body.to_vec()).unwrap(),
    ));
    served.arrived.send(()).unwrap();
    let moved = [("location", "http://elsewhere.example/take-it")];
    match parts.uri.path() {
        "/hang" => std::future::pending().await,
        "/flaky" => {
            let mut failures = served.failures.lock().unwrap();
            *failures += 1;
            if *failures == 1 {
                (StatusCode::INTERNAL_SERVER_ERROR, "starting").into_response()
            } else {
                StatusCode::OK.into_response()
            }
        }
        "/redirect" => (StatusCode::TEMPORARY_REDIRECT, moved, "").into_response(),
        "/refuse" => {
            let words = json!({"message": "job 7 must not move"}).to_string();
            (StatusCode::FORBIDDEN, words).into_response()
        }
        "/busy" => (StatusCode::TOO_MANY_REQUESTS, "slow down").into_response(),
        "/late" => StatusCode::REQUEST_TIMEOUT.into_response(),
        "/garbage" => "drained? who knows".into_response(),
        "/huge" => endless().into_response(),
        "/drained" => {
            json!({"drained": true, "message": "3 jobs\nmoved"}).to_string().into_response()
        }
        "/working" => json!({"drained": false}).to_string().into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// A body that does not end.
fn endless() -> Body {
    let chunk = || Ok::<_, std::io::Error>(vec![b'x'; 16 * 1024]);
    Body::from_stream(futures::stream::repeat_with(chunk))
}

fn channels(spec: &NotifierSpec, clock: &Clock) -> Channels {
    let environment = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
    Channels::build(spec, clock, &(Arc::new(environment) as _), None).unwrap()
}

/// A workload system whose every url is `path`.
fn at(served: &Served, path: &str) -> NotifierSpec {
    let url = format!("{}{path}", served.url);
    NotifierSpec {
        r#type: "webhook".to_owned(),
        cordon_url: url.clone(),
        uncordon_url: url.clone(),
        drain_url: url.clone(),
        drain_status_url: url.clone(),
        health_url: url,
        timeout_ms: 5_000,
        headers: BTreeMap::from([("authorization".to_owned(), "Bearer ${TOKEN}".to_owned())]),
    }
}

fn notice() -> Notice {
    Notice { node_id: "n 1&a=b".to_owned(), reason: "fan noise".to_owned(), at_ms: AT_MS }
}

async fn drain(served: &Served, path: &str) -> Result<(), NotifyError> {
    channels(&at(served, path), &Clock::system()).notifier.drain(&notice()).await
}

async fn status(served: &Served, path: &str) -> Result<DrainStatus, NotifyError> {
    channels(&at(served, path), &Clock::system()).notifier.drain_status("n 1&a=b").await
}

fn failed(text: &str) -> NotifyError {
    NotifyError::Failed(text.to_owned())
}

/// Without it an existing workload system would not understand what it is told.
#[tokio::test]
async fn notices_are_those_of_the_contract() {
    let (served, _arrivals) = serve().await;
    let channels = channels(&at(&served, "/take"), &Clock::system());
    channels.notifier.cordon(&notice()).await.unwrap();
    channels.notifier.uncordon(&notice()).await.unwrap();
    channels.notifier.drain(&notice()).await.unwrap();
    let transition = HealthTransition {
        event_index: 7,
        node_id: "n1".to_owned(),
        from: "healthy".to_owned(),
        to: "unhealthy".to_owned(),
        rule: "xid".to_owned(),
        reason: "XID 79".to_owned(),
        at_ms: AT_MS,
    };
    channels.health.unwrap().on_health_transition(&transition).await.unwrap();
    let calls = std::mem::take(&mut *served.calls.lock().unwrap());
    let timestamp = "2026-01-01T00:00:00.250Z";
    for ((method, path, token, body), event) in calls.iter().zip(["cordon", "uncordon", "drain"]) {
        assert_eq!((method.as_str(), path.as_str()), ("POST", "/take"));
        assert_eq!(token, "Bearer s3cret");
        let body: Value = serde_json::from_str(body).unwrap();
        let expected = json!({
            "event": event, "node_id": "n 1&a=b", "reason": "fan noise", "timestamp": timestamp
        });
        assert_eq!(body, expected);
    }
    let health: Value = serde_json::from_str(&calls[3].3).unwrap();
    let expected = json!({
        "event": "health", "event_index": 7, "node_id": "n1", "from": "healthy",
        "to": "unhealthy", "rule": "xid", "reason": "XID 79", "timestamp": timestamp
    });
    assert_eq!(health, expected);
    let drained = status(&served, "/drained").await.unwrap();
    assert_eq!(drained, DrainStatus { drained: true, message: "3 jobs moved".to_owned() });
    assert_eq!(status(&served, "/working").await.unwrap(), DrainStatus::default());
    let (method, path, ..) = served.calls.lock().unwrap()[0].clone();
    assert_eq!((method.as_str(), path.as_str()), ("GET", "/drained?node_id=n+1%26a%3Db"));
}

/// Without it an outage would cancel a drain, or a refusal be repeated until the deadline.
#[tokio::test]
async fn failures_are_told_from_refusals() {
    let (served, _arrivals) = serve().await;
    let refused = NotifyError::Refused("403 Forbidden: job 7 must not move".to_owned());
    assert_eq!(drain(&served, "/refuse").await, Err(refused));
    let table = [
        ("/flaky", "drain_url: 500 Internal Server Error: starting"),
        ("/busy", "drain_url: 429 Too Many Requests: slow down"),
        ("/late", "drain_url: 408 Request Timeout: (no words)"),
    ];
    for (path, expected) in table {
        assert_eq!(drain(&served, path).await, Err(failed(expected)));
    }
    assert_eq!(drain(&served, "/flaky").await, Ok(()), "the second time");
    let gone = Served { url: "http://127.0.0.1:1".to_owned(), ..served };
    let error = drain(&gone, "/secret-path").await.unwrap_err().to_string();
    assert!(error.starts_with("drain_url: error sending request"), "{error}");
    assert!(error.contains("refused") && !error.contains("secret-path"), "{error}");
}

/// Without it a token would travel to wherever a redirect points.
#[tokio::test]
async fn redirects_are_named_and_not_followed() {
    let (served, _arrivals) = serve().await;
    let expected = "307 Temporary Redirect (redirect to http://elsewhere.example/take-it, which is not \
                    followed: write the url that it leads to)";
    assert_eq!(drain(&served, "/redirect").await, Err(failed(&format!("drain_url: {expected}"))));
    let asked = status(&served, "/redirect").await;
    assert_eq!(asked, Err(failed(&format!("drain_status_url: {expected}"))));
}

/// Without it an answer that is none would count as drained, or fill the leader's memory.
#[tokio::test]
async fn unusable_answers_are_bounded_failures() {
    let (served, _arrivals) = serve().await;
    let error = status(&served, "/garbage").await.unwrap_err().to_string();
    assert!(error.starts_with("drain_status_url: 200 OK with a body that is not"), "{error}");
    assert!(error.ends_with(": drained? who knows"), "{error}");
    let expected = "drain_status_url: 200 OK with a body over the limit of 65536 bytes";
    assert_eq!(status(&served, "/huge").await, Err(failed(expected)));
    assert_eq!(drain(&served, "/huge").await, Ok(()), "nobody needs to read what a success says");
}

/// Without it a workload system that never answers would hold a drain's notice for ever.
#[tokio::test]
async fn a_call_that_hangs_ends_with_its_limit() {
    let (served, mut arrivals) = serve().await;
    let time = FakeClock::new(AT_MS);
    let clock = Clock::fake(Arc::clone(&time));
    let channels = channels(&at(&served, "/hang"), &clock);
    let hanging = tokio::spawn(async move { channels.notifier.drain(&notice()).await });
    arrivals.recv().await.unwrap();
    time.advance(Duration::from_secs(4)).await;
    assert!(!hanging.is_finished());
    time.advance(Duration::from_secs(1)).await;
    assert_eq!(hanging.await.unwrap(), Err(failed("drain_url: no answer within 5 s")));
}

/// Without it a variable that one replica lacks would send its name instead of the token.
#[tokio::test]
async fn a_header_without_its_variable_sends_nothing() {
    let (served, _arrivals) = serve().await;
    let mut spec = at(&served, "/take");
    spec.headers.insert("x-key".to_owned(), "${ABSENT}".to_owned());
    let error = channels(&spec, &Clock::system()).notifier.drain(&notice()).await.unwrap_err();
    assert!(error.to_string().contains("environment variable `ABSENT`"), "{error}");
    assert!(served.calls.lock().unwrap().is_empty());
}

/// Without it a file that names only some of the urls would fail where the original passed over the others.
#[tokio::test]
async fn urls_that_are_not_there_are_passed_over() {
    let spec = NotifierSpec { r#type: "webhook".to_owned(), ..NotifierSpec::default() };
    let webhook = channels(&spec, &Clock::system());
    assert!(webhook.health.is_none());
    assert_eq!(webhook.notifier.cordon(&notice()).await, Ok(()));
    assert_eq!(webhook.notifier.drain(&notice()).await, Ok(()));
    assert!(webhook.notifier.drain_status("n1").await.unwrap().drained);
    let noop = channels(&NotifierSpec::default(), &Clock::system());
    assert_eq!(noop.notifier.drain(&notice()).await, Ok(()));
    assert!(noop.notifier.drain_status("n1").await.unwrap().drained);
}
