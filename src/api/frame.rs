//! gRPC messages and answers as HTTP, for calls that are buffered on their way to the leader.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::Frame;
use tonic::{Status, body::Body};

use super::call::CallContext;

/// The largest message, in bytes, in either direction.
pub(super) const MAX_MESSAGE: usize = 64 * 1024 * 1024;
/// The largest message, in bytes, of a call that the leader carries out: the log takes 6 MiB an entry.
const MAX_LEADER_MESSAGE: usize = 8 * 1024 * 1024;
/// A frame is a flag and a length before its message.
const FRAME_PREFIX: usize = 5;

/// Reads a leader call's only message, still framed.
pub(super) async fn read_request(body: Body) -> Result<Bytes, Status> {
    let collected = Limited::new(body, MAX_LEADER_MESSAGE + FRAME_PREFIX).collect().await;
    let frame = collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.downcast_ref::<http_body_util::LengthLimitError>().is_some() {
            Status::resource_exhausted(format!(
                "the message is over the limit of {MAX_LEADER_MESSAGE} bytes"
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

/// A request for the handlers, with the context that the gate, or the relaying replica, established.
pub(super) fn request(
    path: &str,
    frame: Bytes,
    context: CallContext,
) -> Result<Request<Body>, Status> {
    let mut request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/grpc")
        .body(Body::new(Full::new(frame)))
        .map_err(|error| Status::invalid_argument(format!("path {path:?}: {error}")))?;
    request.extensions_mut().insert(context);
    Ok(request)
}

/// A handler's answer, taken apart.
pub(super) struct Buffered {
    /// The framed message; empty with an error.
    pub frame: Bytes,
    /// The answer's status.
    pub status: Status,
    /// The answer's headers.
    pub headers: HeaderMap,
}

/// Reads a handler's whole answer.
pub(super) async fn read_response(response: Response<Body>) -> Result<Buffered, Status> {
    let (parts, body) = response.into_parts();
    if let Some(status) = Status::from_header_map(&parts.headers) {
        return Ok(Buffered { frame: Bytes::new(), status, headers: parts.headers });
    }
    let collected = body.collect().await?;
    let status = collected
        .trailers()
        .and_then(Status::from_header_map)
        .unwrap_or_else(|| Status::internal("the answer ended without a status"));
    Ok(Buffered { frame: collected.to_bytes(), status, headers: parts.headers })
}

/// An answer with one message.
pub(super) fn response(frame: Bytes) -> Response<Body> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Ok::<_, Status>(Frame::data(frame)), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(Body::new(StreamBody::new(tokio_stream::iter(frames))));
    let content_type = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// Encodes a message as an uncompressed frame.
#[cfg(test)]
pub(super) fn frame(message: &impl prost::Message) -> Bytes {
    use bytes::{BufMut as _, BytesMut};
    let length = message.encoded_len();
    let mut buffer = BytesMut::with_capacity(FRAME_PREFIX + length);
    buffer.put_u8(0);
    buffer.put_u32(u32::try_from(length).unwrap());
    message.encode(&mut buffer).unwrap();
    buffer.freeze()
}
