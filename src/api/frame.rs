//! Requests and answers as HTTP.

use std::future;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::Frame;
use navarch_proto::frame::PREFIX;
use tonic::{Status, body::Body};

use super::handler::{Frames, Handled};

/// The largest request, in bytes: the log takes 6 MiB an entry.
const MAX_REQUEST: usize = 8 * 1024 * 1024;
/// Answer metadata: entries that the answer reflects.
pub(super) const APPLIED_INDEX: &str = "navarch-applied-index";

/// Reads a call's only message, still framed.
pub(super) async fn read_request(body: Body) -> Result<Bytes, Status> {
    let collected = Limited::new(body, MAX_REQUEST + PREFIX).collect().await;
    let frame = collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.downcast_ref::<http_body_util::LengthLimitError>().is_some() {
            Status::resource_exhausted(format!(
                "the message is over the limit of {MAX_REQUEST} bytes"
            ))
        } else {
            Status::cancelled(format!("the request broke off: {error}"))
        }
    })?;
    match frame.first() {
        Some(0) | None => Ok(frame),
        Some(_) => Err(Status::unimplemented(
            "compressed gRPC messages are not taken; send them with `grpc-encoding: identity`",
        )),
    }
}

/// An answer with one message.
pub(super) fn response(Handled { frame, index }: Handled) -> Response<Body> {
    let frames = [Ok::<_, Status>(Frame::data(frame)), Ok(Frame::trailers(good_end()))];
    let mut response = open(Body::new(StreamBody::new(tokio_stream::iter(frames))));
    response.headers_mut().insert(APPLIED_INDEX, index.into());
    response
}

/// An answer with any number of messages.
pub(super) fn stream_response(frames: Frames) -> Response<Body> {
    // None stands for the end, after which nothing comes; an error is one.
    let items = frames.map(Some).chain(futures::stream::once(future::ready(None)));
    let frames = items.scan(false, |ended, item| {
        if *ended {
            return future::ready(None);
        }
        let frame = match item {
            Some(Ok(frame)) => Frame::data(frame),
            Some(Err(status)) => {
                *ended = true;
                let mut trailers = HeaderMap::new();
                // A code and plain text always become headers.
                let _ = status.add_header(&mut trailers);
                Frame::trailers(trailers)
            }
            None => Frame::trailers(good_end()),
        };
        future::ready(Some(Ok::<_, Status>(frame)))
    });
    open(Body::new(StreamBody::new(frames)))
}

fn open(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn good_end() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a watch would go on after its error, or end without saying how.
    #[tokio::test]
    async fn a_stream_ends_with_its_first_error_or_well() {
        let good = || Ok(Bytes::from_static(b"m"));
        let table = [
            (vec![good(), good()], 2, "0"),
            (vec![good(), Err(Status::unavailable("stopping")), good()], 1, "14"),
            (vec![], 0, "0"),
        ];
        for (items, messages, code) in table {
            let response = stream_response(futures::stream::iter(items).boxed());
            let collected = response.into_body().collect().await.unwrap();
            assert_eq!(collected.trailers().unwrap()["grpc-status"], code);
            assert_eq!(collected.to_bytes().len(), messages);
        }
    }
}
