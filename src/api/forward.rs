//! The way to the leader: here if this replica leads, else one hop over the peer port. Retries happen under
//! one request id inside the caller's deadline, so that a call takes effect once.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use navarch_cluster::RelayError;
use navarch_host::{Moment, Spawner};
use navarch_proto::peer::{Effect, RelayedAnswer, RelayedCall};
use prost::Message as _;
use rand::RngExt as _;
use tokio::sync::oneshot;
use tonic::{Code, Status, body::Body, service::Routes};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::{Service, ServiceExt as _};

use super::{
    call::{APPLIED_INDEX, Api, CallContext, Consistency},
    errors::{EFFECT, EFFECT_NONE, EFFECT_UNKNOWN},
    frame,
    gate::parse_timeout,
    hint::LeaderHint,
    routes::{self, Place, Route},
};
use crate::ledger::Standing;

/// Answer metadata: where clients reach the leader.
const LEADER: &str = "navarch-leader";
/// Attempts of one call at most.
const TRIES: u32 = 4;
/// Pause after the first failed attempt; doubles, and each is jittered between half and all of it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// With no leader in sight the caller is told this long before it stops waiting, or a tenth of its time.
const LAST_WORD: Duration = Duration::from_millis(100);
/// How long a call that any replica can answer waits for the leader's better answer.
const LEADER_IF_ANY_PATIENCE: Duration = Duration::from_secs(1);
/// No call waits longer, whatever it asks for.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// What came of one attempt.
enum Attempt {
    Answered(Response<Body>),
    /// Certainly not carried out.
    NotCarriedOut(String),
    /// May have been carried out.
    Unknown(String),
}

/// Where the leader is.
enum Leader {
    Here,
    Elsewhere,
}

/// The way from the gate to the handlers, here or at the leader. Cheap to clone.
#[derive(Clone)]
pub struct Forward {
    api: Arc<Api>,
    handlers: Routes,
    hint: Arc<LeaderHint>,
    /// Where calls are carried out that may take long.
    spawner: Arc<dyn Spawner>,
}

impl Forward {
    /// A way to `handlers`, and to those of the leader. Calls that may take long are carried out on `spawner`.
    pub fn new(api: Arc<Api>, handlers: Routes, spawner: &Arc<dyn Spawner>) -> Self {
        Self { api, handlers, hint: Arc::default(), spawner: Arc::clone(spawner) }
    }

    /// The same way as a set of routes.
    pub fn into_routes(self) -> Routes {
        Routes::from(axum::Router::new().fallback_service(self))
    }

    async fn pass(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let path = request.uri().path().to_owned();
        let context = request.extensions().get::<CallContext>().cloned();
        let (Some(mut context), Some(route)) = (context, routes::find(&path)) else {
            return Ok(self.handle(request).await);
        };
        if let Some(timeout) = request.headers().get("grpc-timeout") {
            let timeout = parse_timeout(timeout)?.min(LONGEST_TIMEOUT);
            context.deadline = self.api.clock().now() + timeout;
        }
        if self.belongs_to_leader(route, &context) {
            let frame = frame::read_request(request.into_body()).await?;
            return match route.place {
                Place::LeaderIfAny => self.carry_or_answer(&path, frame, context).await,
                Place::Leader | Place::Here => self.carry(&path, frame, context).await,
            };
        }
        let mut request = request;
        request.extensions_mut().insert(context);
        Ok(self.handle(request).await)
    }

    /// Has the handlers answer: away from the connection's own thread, which others share, if it may take long.
    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let long = routes::find(request.uri().path()).is_some_and(|route| route.scans);
        let handled = self.handlers.clone().oneshot(request);
        if !long {
            let Ok(response) = handled.await;
            return response;
        }
        let (answer, answered) = oneshot::channel();
        self.spawner.spawn("long-call", async move {
            let Ok(response) = handled.await;
            // A caller that has gone away needs no answer.
            let _ = answer.send(response);
        });
        let cut_short = |_| Status::unavailable("this replica is stopping").into_http();
        answered.await.unwrap_or_else(cut_short)
    }

    fn belongs_to_leader(&self, route: Route, context: &CallContext) -> bool {
        match route.place {
            Place::Leader => true,
            Place::Here => false,
            Place::LeaderIfAny => {
                let led = self.api.replica().leadership().borrow().leader.is_some();
                led && context.consistency == Consistency::Linearizable
            }
        }
    }

    /// Asks the leader for a moment, and answers from here where it does not: status must not need a quorum.
    async fn carry_or_answer(
        &self,
        path: &str,
        frame: Bytes,
        context: CallContext,
    ) -> Result<Response<Body>, Status> {
        let soon = self.api.clock().now() + LEADER_IF_ANY_PATIENCE;
        let deadline = context.deadline.min(soon);
        let patient = CallContext { deadline, ..context.clone() };
        match self.carry(path, frame.clone(), patient).await {
            Err(status) if status.code() != Code::ResourceExhausted => {
                Ok(self.handle(frame::request(path, frame, context)?).await)
            }
            answered => answered,
        }
    }

    fn finish(&self, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        // What it says is for the forwarder alone.
        headers.remove(EFFECT);
        if let Some(leader) = self.hint.get(self.api.replica()) {
            headers.insert(LEADER, leader);
        }
        response
    }

    /// Carries a framed call to the leader and brings its answer.
    async fn carry(
        &self,
        path: &str,
        frame: Bytes,
        mut context: CallContext,
    ) -> Result<Response<Body>, Status> {
        let mut may_have_taken_effect = false;
        let mut last = String::new();
        for attempt in 1..=TRIES {
            let Some(leader) = self.find_leader(context.deadline).await else {
                last = "no leader is known".to_owned();
                break;
            };
            let attempted = match leader {
                Leader::Here => self.call_here(path, frame.clone(), context.clone()).await?,
                Leader::Elsewhere => self.relay(path, frame.clone(), &context).await,
            };
            match attempted {
                Attempt::Answered(response) => return Ok(response),
                Attempt::NotCarriedOut(reason) => last = reason,
                Attempt::Unknown(reason) => {
                    may_have_taken_effect = true;
                    context.may_be_retry = true;
                    last = reason;
                }
            }
            if attempt < TRIES && !self.pause(attempt, context.deadline).await {
                break;
            }
        }
        Err(self.give_up(&context, may_have_taken_effect, &last))
    }

    /// Waits for a leader as long as the caller does.
    async fn find_leader(&self, deadline: Moment) -> Option<Leader> {
        let ledger = &self.api.ledger;
        let mut leadership = self.api.replica().leadership();
        let mut standings = ledger.standings();
        let found = async {
            loop {
                match *standings.borrow_and_update() {
                    Standing::Leading { .. } => return Leader::Here,
                    Standing::Following => {
                        let leadership = leadership.borrow_and_update();
                        if leadership.leader.is_some() && !leadership.local {
                            return Leader::Elsewhere;
                        }
                    }
                    Standing::Opening => {}
                }
                let changed = tokio::select! {
                    changed = standings.changed() => changed,
                    changed = leadership.changed() => changed,
                };
                if changed.is_err() {
                    // The replica is stopping: the deadline ends the wait.
                    std::future::pending::<()>().await;
                }
            }
        };
        let margin = (deadline.since(ledger.clock().now()) / 10).min(LAST_WORD);
        ledger.clock().timeout_at(deadline - margin, found).await.ok()
    }

    async fn call_here(
        &self,
        path: &str,
        frame: Bytes,
        context: CallContext,
    ) -> Result<Attempt, Status> {
        let mut response = self.handle(frame::request(path, frame, context)?).await;
        let Some(effect) = response.headers_mut().remove(EFFECT) else {
            return Ok(Attempt::Answered(response));
        };
        let message = Status::from_header_map(response.headers())
            .map_or_else(String::new, |status| status.message().to_owned());
        Ok(if effect == EFFECT_UNKNOWN {
            Attempt::Unknown(message)
        } else {
            debug_assert_eq!(effect, EFFECT_NONE);
            Attempt::NotCarriedOut(message)
        })
    }

    async fn relay(&self, path: &str, frame: Bytes, context: &CallContext) -> Attempt {
        let call = RelayedCall {
            path: path.to_owned(),
            principal: context.principal.name().to_owned(),
            request_id: context.request_id.to_string(),
            may_be_retry: context.may_be_retry,
            frame,
        };
        let body = Bytes::from(call.encode_to_vec());
        match self.api.replica().relay(body, context.deadline).await {
            Ok(answer) => match RelayedAnswer::decode(answer) {
                Ok(answer) => unpack(answer),
                Err(error) => Attempt::Unknown(format!("the leader's answer: {error}")),
            },
            Err(error @ RelayError::Unknown { .. }) => Attempt::Unknown(error.to_string()),
            Err(error) => Attempt::NotCarriedOut(error.to_string()),
        }
    }

    /// Waits before the next attempt, not longer than until leadership changes; false when the caller's
    /// deadline comes first.
    async fn pause(&self, attempt: u32, deadline: Moment) -> bool {
        let clock = self.api.clock();
        let longest = (FIRST_PAUSE * 2_u32.pow(attempt - 1)).min(LONGEST_PAUSE);
        let pause = longest.mul_f64(rand::rng().random_range(0.5..=1.0));
        if clock.now() + pause >= deadline {
            return false;
        }
        let mut leadership = self.api.replica().leadership();
        let mut standings = self.api.ledger.standings();
        leadership.mark_unchanged();
        standings.mark_unchanged();
        tokio::select! {
            () = clock.sleep(pause) => {}
            Ok(()) = leadership.changed() => {}
            Ok(()) = standings.changed() => {}
        }
        true
    }

    fn give_up(&self, context: &CallContext, may_have_taken_effect: bool, last: &str) -> Status {
        let effect = if may_have_taken_effect {
            format!(
                "it may have taken effect: retry under the request id {} alone",
                context.request_id
            )
        } else {
            "it was not carried out: retry, here or at another replica".to_owned()
        };
        let message = format!("the leader did not answer in time; {effect} ({last})");
        if self.api.clock().now() >= context.deadline && may_have_taken_effect {
            return Status::deadline_exceeded(message);
        }
        let leader = self.hint.get(self.api.replica());
        let leader = leader.as_ref().and_then(|leader| leader.to_str().ok()).unwrap_or_default();
        let metadata = [("leader".to_owned(), leader.to_owned())];
        let details = ErrorDetails::with_error_info("NO_LEADER", "navarch", metadata);
        Status::with_error_details(Code::Unavailable, message, details)
    }
}

impl Service<Request<axum::body::Body>> for Forward {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<axum::body::Body>) -> Self::Future {
        let forward = self.clone();
        Box::pin(async move {
            let response = forward.clone().pass(request.map(Body::new)).await;
            Ok(forward.finish(response.unwrap_or_else(Status::into_http)))
        })
    }
}

fn unpack(answer: RelayedAnswer) -> Attempt {
    match answer.effect() {
        Effect::None => return Attempt::NotCarriedOut(answer.message),
        Effect::Unknown => return Attempt::Unknown(answer.message),
        Effect::Unspecified => {}
    }
    let mut response = match Code::from_i32(answer.code) {
        Code::Ok => frame::response(answer.frame),
        code => Status::with_details(code, answer.message, answer.details).into_http(),
    };
    if answer.applied_index > 0 {
        response.headers_mut().insert(APPLIED_INDEX, answer.applied_index.into());
    }
    Attempt::Answered(response)
}
