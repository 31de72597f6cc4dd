//! The journal for browsers: `GET /v1/events` as server-sent events (WHATWG HTML, section 9.2).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, Response, header},
    response::IntoResponse as _,
    routing::get,
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use navarch_host::Clock;
use navarch_proto::api::{FleetEvent, WatchEventsRequest};
use prost::Message as _;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use serde::Deserialize;
use tonic::Status;

use super::{
    call::{Api, Call},
    connect,
    gate::TokenGate,
    operator,
};

/// What calls like this one are counted as.
const METHOD: &str = "/navarch.OperatorService/WatchEvents";
/// How a browser tells the last event that it saw when it comes back.
const LAST_EVENT_ID: &str = "last-event-id";
/// Proxies end connections on which nothing passes, often after a minute; the specification advises a comment every
/// 15 s or so.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What a stream of events needs.
struct Events {
    api: Arc<Api>,
    gate: Arc<TokenGate>,
    descriptor: MessageDescriptor,
}

/// The parameters of `GET /v1/events`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only events after this index; absent: only new ones.
    since: Option<u64>,
    /// Only events about this subject, as `node/<id>` or a bare id.
    #[serde(default)]
    subject: String,
}

/// `GET /v1/events?since=INDEX&subject=ID` with the operator's token: each event of the journal as its index, its kind,
/// and JSON with the names of its message. A browser that reconnects goes on where it was.
///
/// # Errors
///
/// If the built-in descriptors do not know the message.
pub fn event_stream(api: Arc<Api>, gate: Arc<TokenGate>) -> Result<Router, Status> {
    let unknown = || Status::internal("the descriptors do not know navarch.FleetEvent");
    let pool = DescriptorPool::decode(navarch_proto::DESCRIPTORS);
    let pool = pool.map_err(|error| Status::internal(error.to_string()))?;
    let descriptor = pool.get_message_by_name("navarch.FleetEvent").ok_or_else(unknown)?;
    let events = Arc::new(Events { api, gate, descriptor });
    Ok(Router::new().route("/v1/events", get(watch)).with_state(events))
}

async fn watch(
    State(events): State<Arc<Events>>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Response<Body> {
    let opened = async {
        let Query(wanted) =
            wanted.map_err(|refused| Status::invalid_argument(refused.body_text()))?;
        open(&events, &headers, wanted).await
    };
    match opened.await {
        Ok(body) => (
            [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")],
            body,
        )
            .into_response(),
        Err(status) => connect::refusal(status),
    }
}

async fn open(events: &Events, headers: &HeaderMap, wanted: Wanted) -> Result<Body, Status> {
    let context = events.gate.admit_headers(METHOD, headers)?;
    let call = Call { api: Arc::clone(&events.api), context };
    let since = match headers.get(LAST_EVENT_ID) {
        None => wanted.since,
        Some(given) => {
            let index = given.to_str().ok().and_then(|text| text.parse().ok());
            Some(index.ok_or_else(|| {
                Status::invalid_argument(format!("{LAST_EVENT_ID}: {given:?} is no event's index"))
            })?)
        }
    };
    let request = WatchEventsRequest { since, subject: wanted.subject };
    let watched = operator::watch_events(call, request).await?;
    let descriptor = events.descriptor.clone();
    let told = watched.map(move |event| text(event, &descriptor));
    let clock = events.api.clock().clone();
    Ok(Body::from_stream(with_signs_of_life(told, clock).map(Ok::<_, Infallible>)))
}

/// One event as the specification wants it. The last one says why there are no more.
fn text(event: Result<FleetEvent, Status>, descriptor: &MessageDescriptor) -> Bytes {
    let event = event.and_then(|event| {
        let json = connect::json(event.encode_to_vec().into(), descriptor)?;
        Ok((event.index, event.kind, json))
    });
    match event {
        Ok((index, kind, json)) => {
            let json = String::from_utf8_lossy(&json);
            format!("id: {index}\nevent: {kind}\ndata: {json}\n\n").into()
        }
        Err(status) => {
            let message = serde_json::Value::from(status.message());
            format!("event: error\ndata: {{\"message\": {message}}}\n\n").into()
        }
    }
}

/// Puts a comment wherever nothing was told for a while.
fn with_signs_of_life(
    told: impl Stream<Item = Bytes> + Send,
    clock: Clock,
) -> impl Stream<Item = Bytes> + Send {
    let told = Box::pin(told);
    stream::unfold((told, clock), |(mut told, clock)| async {
        let next = match clock.timeout(SIGN_OF_LIFE, told.next()).await {
            Ok(next) => next?,
            Err(_) => Bytes::from_static(b": nothing new\n\n"),
        };
        Some((next, (told, clock)))
    })
}
