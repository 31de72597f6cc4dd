use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, Response, header::CONTENT_TYPE, request::Parts};
use http_body::{Body as HttpBody, Frame};
use prost_reflect::MessageDescriptor;
use serde::Serialize;
use tonic::{Code, Status};

use super::{
    answer,
    body::Framing,
    bridge::{Core, GRACE, too_late},
    error::{ErrorBody, Failure},
    frame::{self, COMPRESSED, Deframer, END_STREAM},
    gzip::Coding,
    head::{self, CallHead},
    json,
    media::Codec,
    methods::Method,
};

impl Core {
    /// Serves a Connect call that answers with a stream.
    pub(super) async fn stream(
        &self,
        method: &Method,
        codec: Codec,
        parts: Parts,
        body: Body,
    ) -> Response<Body> {
        let answer = match CallHead::of_stream(&parts.headers, &self.clock) {
            Ok(head) => {
                let deadline = head.deadline;
                let call = self.call_stream(method, codec, (parts, head), body);
                self.within(deadline, call).await
            }
            Err(status) => Err(status.into()),
        };
        answer.unwrap_or_else(|failure| failed_stream(&failure, codec))
    }

    async fn call_stream(
        &self,
        method: &Method,
        codec: Codec,
        (mut parts, head): (Parts, CallHead),
        body: Body,
    ) -> Result<Response<Body>, Failure> {
        let mut buffer = bytes::BytesMut::new();
        let body = self.guarded(body, Framing::Framed);
        let _held = body.collect(&mut buffer, head.expects_continue).await?;
        let (coding, message) = only_request(&buffer, head.coding, self.limits.request_bytes)?;
        let mut buffer = frame::open(message.len());
        buffer.extend_from_slice(&message);
        let request = self.framed(method, codec, coding, buffer).await?;
        head::become_grpc(&mut parts.headers, self.time_left(head.deadline)?);
        let response = self.backend.call(parts, request.clone(), true).await;
        let (headers, inner) =
            answer::open(response).map_err(|failure| answer::blame(failure, &request, method))?;
        let deadline = head.deadline.map(|deadline| self.clock.sleep_until(deadline + GRACE));
        let mut response = Response::new(Body::new(StreamBody {
            inner,
            deframer: Deframer::default(),
            codec,
            output: method.output.clone(),
            limit: self.limits.answer_bytes,
            deadline,
            ended: false,
        }));
        *response.headers_mut() = headers;
        response.headers_mut().insert(CONTENT_TYPE, codec.stream_content_type());
        Ok(response)
    }
}

/// The one message of a request, and how it is compressed.
fn only_request(body: &[u8], coding: Coding, limit: usize) -> Result<(Coding, Bytes), Status> {
    let mut deframer = Deframer::default();
    deframer.push(body);
    let Some((flags, message)) = deframer.next(limit)? else {
        return Err(if deframer.is_empty() {
            Status::unimplemented("the request has no message; this method takes one")
        } else {
            Status::invalid_argument(format!(
                "the request ends within its first message, after {} bytes",
                body.len()
            ))
        });
    };
    if !deframer.is_empty() {
        return Err(Status::unimplemented(
            "the request has more than one message; this method takes one",
        ));
    }
    match (flags, coding) {
        (0, Coding::Identity | Coding::Gzip) => Ok((Coding::Identity, message)),
        (COMPRESSED, Coding::Gzip) => Ok((Coding::Gzip, message)),
        (COMPRESSED, Coding::Identity) => Err(Status::internal(
            "the message is marked as compressed, but connect-content-encoding names no compression",
        )),
        (other, Coding::Identity | Coding::Gzip) => Err(Status::invalid_argument(format!(
            "the flags {other:#010b} of the message are unknown; a request's may be 0 or 1"
        ))),
    }
}

/// What a Connect stream ends with.
#[derive(Debug, Serialize)]
struct EndStream<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'a str, Vec<&'a str>>,
}

fn end_frame(status: &Status, trailers: &HeaderMap) -> Bytes {
    let mut metadata: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, value) in trailers {
        if let Ok(value) = value.to_str() {
            metadata.entry(name.as_str()).or_default().push(value);
        }
    }
    let end =
        EndStream { error: (status.code() != Code::Ok).then(|| ErrorBody::of(status)), metadata };
    // Strings and lists of strings always become JSON, and short ones.
    let json = serde_json::to_vec(&end).unwrap_or_default();
    frame::frame(&json, END_STREAM).unwrap_or_default()
}

/// A stream that has failed before its first message; its HTTP status is 200 as of any other.
pub(super) fn failed_stream(failure: &Failure, codec: Codec) -> Response<Body> {
    let mut response = Response::new(Body::from(end_frame(&failure.status, &failure.headers)));
    response.headers_mut().insert(CONTENT_TYPE, codec.stream_content_type());
    response
}

/// A gRPC stream told in Connect's framing.
struct StreamBody {
    inner: Body,
    deframer: Deframer,
    codec: Codec,
    output: MessageDescriptor,
    limit: usize,
    deadline: Option<BoxFuture<'static, ()>>,
    ended: bool,
}

impl StreamBody {
    fn end(&mut self, status: &Status, trailers: &HeaderMap) -> Bytes {
        self.ended = true;
        end_frame(status, trailers)
    }

    /// The next message that has come whole, in Connect's framing.
    fn next_message(&mut self) -> Result<Option<Bytes>, Status> {
        match self.deframer.next(self.limit)? {
            None => Ok(None),
            Some((0, message)) => {
                let message = match self.codec {
                    Codec::Proto => message,
                    Codec::Json => json::from_protobuf(message, &self.output)?,
                };
                frame::frame(&message, 0).map(Some)
            }
            Some((flags, _)) => Err(Status::internal(format!(
                "the service sent a message with flags {flags:#010b}"
            ))),
        }
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            match self.next_message() {
                Ok(Some(message)) => return Poll::Ready(message),
                Ok(None) => {}
                Err(status) => return Poll::Ready(self.end(&status, &HeaderMap::new())),
            }
            if let Some(deadline) = &mut self.deadline
                && deadline.poll_unpin(context).is_ready()
            {
                return Poll::Ready(self.end(&too_late(), &HeaderMap::new()));
            }
            let mut trailers = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.deframer.push(&data);
                        continue;
                    }
                    Err(frame) => frame.into_trailers().unwrap_or_default(),
                },
                Some(Err(error)) => {
                    let status = Status::from_error(error.into_inner());
                    return Poll::Ready(self.end(&status, &HeaderMap::new()));
                }
                None => HeaderMap::new(),
            };
            let status = answer::end_status(&mut trailers);
            return Poll::Ready(self.end(&status, &trailers));
        }
    }
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.poll_message(context).map(|bytes| Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
