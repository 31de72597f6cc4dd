use std::future::Future;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{
    HeaderValue, Method as HttpMethod, Response,
    header::{CONTENT_ENCODING, CONTENT_TYPE, VARY},
    request::Parts,
};
use navarch_host::Moment;
use prost_reflect::MessageDescriptor;
use tonic::Status;

use super::{
    answer::{self, GrpcAnswer},
    body::Framing,
    bridge::Core,
    error::Failure,
    frame::{self, HEADER_BYTES},
    get::GetCall,
    gzip::{self, Coding},
    head::{self, CallHead},
    json,
    media::Codec,
    methods::Method,
};

/// A gzip stream longer than a 16th of [`super::Limits::INLINE_BYTES`] is unpacked on a thread of its own:
/// it may grow a thousandfold.
const GZIP_WEIGHT: usize = 16;

/// Where the message of a unary call is.
#[derive(Debug)]
pub(super) enum Source {
    /// In the body of a POST.
    Body(Body),
    /// In the query of a GET.
    Query(GetCall),
}

impl Core {
    /// Serves a unary Connect call.
    pub(super) async fn unary(
        &self,
        method: &Method,
        codec: Codec,
        parts: Parts,
        source: Source,
    ) -> Response<Body> {
        let answer = match CallHead::of_unary(&parts.headers, &self.clock) {
            Ok(head) => {
                let deadline = head.deadline;
                let call = self.call_unary(method, codec, (parts, head), source);
                self.within(deadline, call).await
            }
            Err(status) => Err(status.into()),
        };
        answer.unwrap_or_else(Failure::into_response)
    }

    async fn call_unary(
        &self,
        method: &Method,
        codec: Codec,
        (mut parts, head): (Parts, CallHead),
        source: Source,
    ) -> Result<Response<Body>, Failure> {
        let mut buffer = frame::open(0);
        let (coding, _held) = match source {
            Source::Body(body) => {
                let body = self.guarded(body, Framing::Bare);
                let held = body.collect(&mut buffer, head.expects_continue).await?;
                (head.coding, Some(held))
            }
            Source::Query(call) => {
                buffer.extend_from_slice(&call.message);
                (call.coding, None)
            }
        };
        let request = self.framed(method, codec, coding, buffer).await?;
        parts.method = HttpMethod::POST;
        head::become_grpc(&mut parts.headers, self.time_left(head.deadline)?);
        let response = self.backend.call(parts, request.clone(), false).await;
        let answer = GrpcAnswer::collect(response, self.limits.answer_bytes)
            .await
            .map_err(|failure| answer::blame(failure, &request, method))?;
        self.respond(method, codec, head.accepts_gzip, answer).await
    }

    /// Makes a gRPC frame of the body that `buffer` holds behind room for a header.
    pub(super) async fn framed(
        &self,
        method: &Method,
        codec: Codec,
        coding: Coding,
        buffer: BytesMut,
    ) -> Result<Bytes, Status> {
        let weight = match (coding, codec) {
            (Coding::Identity, Codec::Proto) => return frame::close(buffer, 0),
            (Coding::Identity, Codec::Json) => buffer.len(),
            (Coding::Gzip, Codec::Proto | Codec::Json) => buffer.len().saturating_mul(GZIP_WEIGHT),
        };
        let limit = self.limits.request_bytes;
        let input = method.input.clone();
        let convert = move || {
            let body = buffer.get(HEADER_BYTES..).unwrap_or_default();
            let mut plain = BytesMut::new();
            // Nothing is nothing in every coding.
            let body = if coding == Coding::Gzip && !body.is_empty() {
                gzip::unpack(body, limit, &mut plain)?;
                &plain
            } else {
                body
            };
            let mut out = frame::open(body.len());
            match codec {
                Codec::Proto => out.extend_from_slice(body),
                Codec::Json => json::to_protobuf(body, &input, &mut out)?,
            }
            frame::close(out, 0)
        };
        self.offload.run(weight, convert).await
    }

    async fn respond(
        &self,
        method: &Method,
        codec: Codec,
        accepts_gzip: bool,
        answer: GrpcAnswer,
    ) -> Result<Response<Body>, Failure> {
        let GrpcAnswer { headers, message } = answer;
        let (body, packed) = if codec == Codec::Proto && !accepts_gzip {
            (message, false)
        } else {
            let weight = message.len();
            let output = method.output.clone();
            let write = move || write_answer(message, codec, accepts_gzip, &output);
            self.offload.run(weight, write).await?
        };
        let mut response = Response::new(Body::from(body));
        *response.headers_mut() = headers;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, codec.unary_content_type());
        if packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        }
        Ok(response)
    }

    /// Runs `call` until shortly after `deadline`: the handler, which knows more of the reason, may answer first.
    pub(super) async fn within<T>(
        &self,
        deadline: Option<Moment>,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Some(deadline) = deadline else {
            return call.await;
        };
        self.clock
            .timeout_at(deadline + super::bridge::GRACE, call)
            .await
            .unwrap_or_else(|_| Err(super::bridge::too_late().into()))
    }
}

/// `message` as the client wants it, and whether it is compressed.
fn write_answer(
    message: Bytes,
    codec: Codec,
    accepts_gzip: bool,
    output: &MessageDescriptor,
) -> Result<(Bytes, bool), Status> {
    let plain = match codec {
        Codec::Proto => message,
        Codec::Json => json::from_protobuf(message, output)?,
    };
    if !accepts_gzip || plain.len() < gzip::LEAST_BYTES {
        return Ok((plain, false));
    }
    let packed = gzip::pack(&plain)
        .map_err(|error| Status::internal(format!("cannot compress the answer: {error}")))?;
    Ok((packed, true))
}
