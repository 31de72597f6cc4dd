//! Handlers as the rest of the API calls them: bytes in, bytes out.

use bytes::Bytes;
use futures::{Stream, StreamExt as _, future::BoxFuture, stream::BoxStream};
use navarch_proto::frame;
use prost::Message;
use tonic::Status;

use super::call::{Answer, Call};

/// How a method is carried out.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    /// One message each way.
    Unary(Unary),
    /// One message there, any number back.
    Streaming(Streaming),
}

/// Takes a call and its framed message.
pub(super) type Unary = fn(Call, Bytes) -> BoxFuture<'static, Result<Handled, Status>>;
/// Takes a call and its framed message; answers framed messages.
pub(super) type Streaming = fn(Call, Bytes) -> BoxFuture<'static, Result<Frames, Status>>;

/// A unary answer.
pub(super) struct Handled {
    /// The framed message.
    pub frame: Bytes,
    /// The log index that it reflects.
    pub index: u64,
}

/// A streamed answer: framed messages, or how it ended early.
pub(super) type Frames = BoxStream<'static, Result<Bytes, Status>>;

/// Makes a [`Handler`] of an async function of a [`Call`] and a request.
macro_rules! unary {
    ($handler:path) => {
        $crate::api::handler::Handler::Unary(|call, frame| {
            Box::pin($crate::api::handler::answer(call, frame, $handler))
        })
    };
}

/// The same for a function that answers a stream.
macro_rules! streaming {
    ($handler:path) => {
        $crate::api::handler::Handler::Streaming(|call, frame| {
            Box::pin($crate::api::handler::answer_stream(call, frame, $handler))
        })
    };
}

/// The same for a function that answers a stream of frames, each of any number of messages.
macro_rules! frames {
    ($handler:path) => {
        $crate::api::handler::Handler::Streaming(|call, frame| {
            Box::pin($crate::api::handler::answer_frames(call, frame, $handler))
        })
    };
}

pub(super) use {frames, streaming, unary};

/// Runs a unary `handler` on the request in `frame`.
pub(super) async fn answer<Q, R, F>(
    call: Call,
    frame: Bytes,
    handler: impl FnOnce(Call, Q) -> F,
) -> Result<Handled, Status>
where
    Q: Message + Default,
    R: Message,
    F: Future<Output = Result<Answer<R>, Status>>,
{
    let answer = handler(call, decode(frame)?).await?;
    Ok(Handled { frame: encode(&answer.message)?, index: answer.index })
}

/// Runs a streaming `handler` on the request in `frame`.
pub(super) async fn answer_stream<Q, R, F, S>(
    call: Call,
    frame: Bytes,
    handler: impl FnOnce(Call, Q) -> F,
) -> Result<Frames, Status>
where
    Q: Message + Default,
    R: Message,
    F: Future<Output = Result<S, Status>>,
    S: Stream<Item = Result<R, Status>> + Send + 'static,
{
    let frames = async |call, request: Q| {
        let messages = handler(call, request).await?;
        Ok(messages.map(|message| encode(&message?)))
    };
    answer_frames(call, frame, frames).await
}

/// Runs a `handler` that makes frames itself on the request in `frame`.
pub(super) async fn answer_frames<Q, F, S>(
    call: Call,
    frame: Bytes,
    handler: impl FnOnce(Call, Q) -> F,
) -> Result<Frames, Status>
where
    Q: Message + Default,
    F: Future<Output = Result<S, Status>>,
    S: Stream<Item = Result<Bytes, Status>> + Send + 'static,
{
    Ok(handler(call, decode(frame)?).await?.boxed())
}

fn decode<Q: Message + Default>(frame: Bytes) -> Result<Q, Status> {
    frame::decode(frame).map_err(|problem| {
        Status::invalid_argument(format!("the body is not a message of this method: {problem}"))
    })
}

fn encode(message: &impl Message) -> Result<Bytes, Status> {
    frame::encode(message).map_err(|bytes| {
        let limit = frame::MAX_MESSAGE;
        Status::resource_exhausted(format!(
            "the answer takes {bytes} bytes and the limit is {limit}; ask for less in one call"
        ))
    })
}
