use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{Router, body::Body, routing::future::RouteFuture};
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, Request, Response, Uri, Version, request::Parts};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tower::Service as _;

/// The gRPC services behind the bridge.
#[derive(Clone)]
pub(super) struct Backend {
    router: Router,
    stopping: CancellationToken,
}

impl Backend {
    pub(super) fn new(router: Router, stopping: CancellationToken) -> Self {
        Self { router, stopping }
    }

    /// Hands a request over as it is.
    pub(super) fn pass<B>(&self, request: Request<B>) -> RouteFuture<Infallible>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        self.router.clone().call(request)
    }

    /// Hands a request over whose answer may go on for ever, and ends that answer when the replica stops.
    pub(super) async fn pass_endless<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let Ok(response) = self.pass(request).await;
        let stop = self.stopping.clone().cancelled_owned().boxed();
        response.map(|inner| Body::new(EndingBody { inner, stop: Some(stop) }))
    }

    /// Makes a gRPC call of `frame`; its headers are gRPC's already.
    pub(super) async fn call(
        &self,
        mut parts: Parts,
        frame: Bytes,
        endless: bool,
    ) -> Response<Body> {
        parts.version = Version::HTTP_2;
        // A query is Connect's own; a path alone is always a URI.
        if parts.uri.query().is_some() {
            parts.uri = Uri::try_from(parts.uri.path()).unwrap_or_default();
        }
        let request = Request::from_parts(parts, Body::from(frame));
        if endless {
            return self.pass_endless(request).await;
        }
        let Ok(response) = self.pass(request).await;
        response
    }
}

/// The body of a gRPC answer that ends when its source does or the replica stops, whichever is first.
struct EndingBody {
    inner: Body,
    /// None once it has ended.
    stop: Option<BoxFuture<'static, ()>>,
}

impl HttpBody for EndingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(stop) = &mut self.stop else {
            return Poll::Ready(None);
        };
        if stop.poll_unpin(context).is_pending() {
            return Pin::new(&mut self.inner).poll_frame(context);
        }
        self.stop = None;
        let status = Status::unavailable(
            "this replica is stopping; go on at another replica from where this stream ended",
        );
        let mut trailers = HeaderMap::new();
        // A code and plain text always become headers.
        let _ = status.add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.stop.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // What has been told of the inner body is no promise any more.
        SizeHint::new()
    }
}
