use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response};
use http_body_util::BodyExt as _;
use tonic::{Code, Status};

use super::{
    error::Failure,
    frame::{Deframer, HEADER_BYTES},
    head,
    methods::Method,
};

/// The one message of a gRPC answer, with its metadata in Connect's form.
#[derive(Debug)]
pub(super) struct GrpcAnswer {
    pub(super) headers: HeaderMap,
    pub(super) message: Bytes,
}

impl GrpcAnswer {
    /// Reads `response` to its end.
    pub(super) async fn collect(response: Response<Body>, limit: usize) -> Result<Self, Failure> {
        let (mut headers, mut body) = open(response)?;
        let mut chunks = Vec::new();
        let mut length = 0_usize;
        let mut trailers = HeaderMap::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Status::from_error(error.into_inner()))?;
            match frame.into_data() {
                Ok(data) => {
                    length = length.saturating_add(data.len());
                    if length > limit.saturating_add(HEADER_BYTES) {
                        return Err(too_long(limit).into());
                    }
                    chunks.push(data);
                }
                Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        let status = end_status(&mut trailers);
        for (name, value) in &trailers {
            // The name of a header stays one with letters in front of it.
            if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
                headers.append(name, value.clone());
            }
        }
        if status.code() != Code::Ok {
            return Err(Failure { status, headers });
        }
        let message = only_message(chunks, limit)?;
        Ok(Self { headers, message })
    }
}

/// Splits an answer into its metadata and its body, or into a failure if it has failed already.
pub(super) fn open(response: Response<Body>) -> Result<(HeaderMap, Body), Failure> {
    let (parts, body) = response.into_parts();
    let mut headers = parts.headers;
    let status = Status::from_header_map(&headers);
    head::become_connect(&mut headers);
    match status {
        Some(status) if status.code() != Code::Ok => Err(Failure { status, headers }),
        None if !parts.status.is_success() => {
            let text = format!("the service answered HTTP {} without a gRPC status", parts.status);
            Err(Status::internal(text).into())
        }
        Some(_) | None => Ok((headers, body)),
    }
}

/// Takes the status out of the trailers, which become metadata.
pub(super) fn end_status(trailers: &mut HeaderMap) -> Status {
    let status = Status::from_header_map(trailers)
        .unwrap_or_else(|| Status::internal("the service ended its answer without a status"));
    head::remove_grpc(trailers);
    status
}

/// Tells a request that is no protobuf from a handler's failure. The codec behind the bridge calls both
/// internal, and looking at every request first would cost each of them a second decoding.
pub(super) fn blame(mut failure: Failure, frame: &Bytes, method: &Method) -> Failure {
    let message = frame.slice(HEADER_BYTES.min(frame.len())..);
    if failure.status.code() == Code::Internal && !super::json::is_protobuf(message, &method.input)
    {
        failure.status = Status::invalid_argument(format!(
            "the request is no protobuf message {}: {}",
            method.input.full_name(),
            failure.status.message()
        ));
    }
    failure
}

fn too_long(limit: usize) -> Status {
    Status::resource_exhausted(format!(
        "the answer is longer than the limit of {limit} bytes; ask for less, for a list by page_size"
    ))
}

fn only_message(mut chunks: Vec<Bytes>, limit: usize) -> Result<Bytes, Status> {
    // The usual answer is one chunk, and needs no copy.
    if let [chunk] = chunks.as_slice()
        && let Some(&[0, a, b, c, d]) = chunk.first_chunk::<HEADER_BYTES>()
        && usize::try_from(u32::from_be_bytes([a, b, c, d])) == Ok(chunk.len() - HEADER_BYTES)
    {
        return Ok(chunk.slice(HEADER_BYTES..));
    }
    let mut deframer = Deframer::default();
    for chunk in chunks.drain(..) {
        deframer.push(&chunk);
    }
    let first = deframer.next(limit)?;
    match first {
        Some((0, message)) if deframer.is_empty() => Ok(message),
        Some(_) | None => Err(Status::internal(
            "the service answered with something else than one uncompressed message",
        )),
    }
}
