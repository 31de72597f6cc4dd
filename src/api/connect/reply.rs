use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{body::Body, routing::future::RouteFuture};
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Response, StatusCode, Uri, header::ALLOW};

use super::{error::negotiation_failure, media, methods::Shape};

/// The answer of a [`super::Bridge`] to come.
#[must_use = "futures do nothing unless polled"]
pub struct Answer(Kind);

#[allow(
    clippy::large_enum_variant,
    reason = "the large one is the hot path, which a box would cost an allocation a call"
)]
enum Kind {
    Direct(RouteFuture<Infallible>),
    Bridged(BoxFuture<'static, Response<Body>>),
    Ready(Option<Box<Response<Body>>>),
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Kind::Direct(future) => Pin::new(future).poll(context),
            Kind::Bridged(future) => Poll::Ready(Ok(ready!(future.poll_unpin(context)))),
            Kind::Ready(response) => Poll::Ready(Ok(*response.take().unwrap_or_default())),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Answer")
    }
}

impl From<RouteFuture<Infallible>> for Answer {
    fn from(future: RouteFuture<Infallible>) -> Self {
        Self(Kind::Direct(future))
    }
}

impl From<BoxFuture<'static, Response<Body>>> for Answer {
    fn from(future: BoxFuture<'static, Response<Body>>) -> Self {
        Self(Kind::Bridged(future))
    }
}

impl From<Response<Body>> for Answer {
    fn from(response: Response<Body>) -> Self {
        Self(Kind::Ready(Some(Box::new(response))))
    }
}

pub(super) async fn no_such_path(uri: Uri) -> Response<Body> {
    not_found(&uri)
}

pub(super) fn not_found(uri: &Uri) -> Response<Body> {
    let text = format!("nothing is served at {}", uri.path());
    negotiation_failure(StatusCode::NOT_FOUND, &text)
}

pub(super) fn wrong_method(allowed: &'static str) -> Answer {
    let text = format!("this path takes {allowed} only");
    let mut response = negotiation_failure(StatusCode::METHOD_NOT_ALLOWED, &text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response.into()
}

pub(super) fn wrong_media(shape: Shape) -> Answer {
    let accepted = media::accept_post(shape);
    let text = format!(
        "the content type is not served here; send one of {}",
        accepted.to_str().unwrap_or_default()
    );
    let mut response = negotiation_failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, &text);
    response.headers_mut().insert("accept-post", accepted);
    response.into()
}
