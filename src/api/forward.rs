//! From the gate to the handlers: here, or by `carry` at the leader.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, Uri};
use navarch_host::Spawner;
use tokio::sync::oneshot;
use tonic::{Code, Status, body::Body, service::Routes};
use tower::{Service, ServiceExt as _};

use super::{
    call::{Api, Call, CallContext, Consistency},
    carry::carry,
    errors::take_effect,
    frame::{self, APPLIED_INDEX},
    gate::parse_timeout,
    handler::{Handled, Handler, Unary},
    hint::LeaderHint,
    routes::{self, Place, Route},
};

/// Answer metadata: where clients reach the leader.
const LEADER: &str = "navarch-leader";
/// How long a call that any replica can answer waits for the leader's better answer.
const LEADER_IF_ANY_PATIENCE: Duration = Duration::from_secs(1);
/// No call waits longer, whatever it asks for.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// The service of all our methods, in front of the services of others. Cheap to clone.
#[derive(Clone)]
pub struct Forward(Arc<Inner>);

pub(super) struct Inner {
    pub(super) api: Arc<Api>,
    pub(super) hint: LeaderHint,
    /// What is not ours.
    others: Routes,
    /// Where calls are carried out that may take long.
    spawner: Arc<dyn Spawner>,
}

/// A unary call, read.
#[derive(Clone)]
pub(super) struct Framed {
    /// Names the method to another replica.
    pub(super) uri: Uri,
    pub(super) handler: Unary,
    /// May take long.
    scans: bool,
    pub(super) frame: Bytes,
    pub(super) context: CallContext,
}

impl Forward {
    /// A way to our handlers, to the leader's, and to `others`. Calls that may take long are carried out on
    /// `spawner`.
    pub fn new(api: Arc<Api>, others: Routes, spawner: &Arc<dyn Spawner>) -> Self {
        let spawner = Arc::clone(spawner);
        Self(Arc::new(Inner { api, hint: LeaderHint::default(), others, spawner }))
    }

    /// The same way as a set of routes.
    pub fn into_routes(self) -> Routes {
        Routes::from(axum::Router::new().fallback_service(self))
    }
}

impl Inner {
    async fn pass(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let context = request.extensions().get::<CallContext>().cloned();
        let (Some(context), Some(route)) = (context, routes::find(request.uri().path())) else {
            let Ok(response) = self.others.clone().oneshot(request).await;
            return Ok(response);
        };
        let (parts, body) = request.into_parts();
        let context = self.with_deadline(context, &parts.headers)?;
        let frame = frame::read_request(body).await?;
        let (uri, begun) = (parts.uri.clone(), self.api.clock().now());
        let answer = self.carry_out(route, (parts.uri, frame), context).await;
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        self.api.calls.ended(uri.path(), code, self.api.clock().now().since(begun));
        answer
    }

    async fn carry_out(
        &self,
        route: Route,
        (uri, frame): (Uri, Bytes),
        context: CallContext,
    ) -> Result<Response<Body>, Status> {
        match route.handler {
            Handler::Streaming(handler) => {
                let call = Call { api: Arc::clone(&self.api), context };
                Ok(frame::stream_response(handler(call, frame).await?))
            }
            Handler::Unary(handler) => {
                let call = Framed { uri, handler, scans: route.scans, frame, context };
                Ok(frame::response(self.answer(route, call).await?))
            }
        }
    }

    fn with_deadline(
        &self,
        context: CallContext,
        headers: &HeaderMap,
    ) -> Result<CallContext, Status> {
        let Some(timeout) = headers.get("grpc-timeout") else {
            return Ok(context);
        };
        let timeout = parse_timeout(timeout)?.min(LONGEST_TIMEOUT);
        Ok(CallContext { deadline: self.api.clock().now() + timeout, ..context })
    }

    async fn answer(&self, route: Route, call: Framed) -> Result<Handled, Status> {
        match route.place {
            Place::Leader => carry(self, call).await,
            Place::LeaderIfAny if self.is_led_for(&call.context) => {
                self.carry_or_answer(call).await
            }
            Place::LeaderIfAny | Place::Here => self.handle(call).await,
        }
    }

    fn is_led_for(&self, context: &CallContext) -> bool {
        let led = self.api.replica().leadership().borrow().leader.is_some();
        led && context.consistency == Consistency::Linearizable
    }

    /// Asks the leader for a moment, and answers from here where it does not: status must not need a quorum.
    async fn carry_or_answer(&self, call: Framed) -> Result<Handled, Status> {
        let mut patient = call.clone();
        let soon = self.api.clock().now() + LEADER_IF_ANY_PATIENCE;
        patient.context.deadline = call.context.deadline.min(soon);
        match carry(self, patient).await {
            Err(status) if status.code() != Code::ResourceExhausted => self.handle(call).await,
            answered => answered,
        }
    }

    /// Has the handler answer here: away from the connection's own thread, which others share, if it may take
    /// long.
    pub(super) async fn handle(&self, call: Framed) -> Result<Handled, Status> {
        let Framed { handler, scans, frame, context, .. } = call;
        let handled = handler(Call { api: Arc::clone(&self.api), context }, frame);
        if !scans {
            return handled.await;
        }
        let (answer, answered) = oneshot::channel();
        self.spawner.spawn("long-call", async move {
            // A caller that has gone away needs no answer.
            let _ = answer.send(handled.await);
        });
        answered.await.unwrap_or_else(|_| Err(Status::unavailable("this replica is stopping")))
    }

    fn finish(&self, outcome: Result<Response<Body>, Status>) -> Response<Body> {
        let mut response = outcome.unwrap_or_else(|mut status| {
            // What the mark says is for the forwarder alone.
            take_effect(&mut status);
            status.into_http()
        });
        let headers = response.headers_mut();
        if !headers.contains_key(APPLIED_INDEX) {
            headers.insert(APPLIED_INDEX, self.api.ledger.view().index.into());
        }
        if let Some(leader) = self.hint.get(self.api.replica()) {
            headers.insert(LEADER, leader);
        }
        response
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
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let outcome = inner.pass(request.map(Body::new)).await;
            Ok(inner.finish(outcome))
        })
    }
}
