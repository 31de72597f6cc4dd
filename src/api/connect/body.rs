use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, future::BoxFuture};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use navarch_host::Clock;
use tonic::Status;

use super::frame::HEADER_BYTES;

/// How long the rest of a refused body is read and thrown away. A client that is still sending when its
/// connection closes would not see the answer.
const DISCARD: Duration = Duration::from_secs(5);

/// Bytes of unfinished requests, counted over all connections.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    used: Arc<AtomicUsize>,
    limit: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    fn hold(&self) -> Held {
        Held { budget: self.clone(), bytes: 0 }
    }
}

/// A request's share of a [`Budget`]; dropping it gives the share back.
#[derive(Debug)]
pub(super) struct Held {
    budget: Budget,
    bytes: usize,
}

impl Held {
    fn add(&mut self, bytes: usize) -> Result<(), Status> {
        self.bytes += bytes;
        let used = self.budget.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used <= self.budget.limit {
            return Ok(());
        }
        Err(Status::unavailable(format!(
            "this replica holds {used} bytes of unfinished requests, over its limit of {}; call another replica or \
             try again later",
            self.budget.limit
        )))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a body is held to.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) clock: Clock,
    pub(super) budget: Budget,
    /// Longest message in bytes.
    pub(super) limit: usize,
    /// Longest silence.
    pub(super) idle: Duration,
}

/// How the message lies in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The body is the message.
    Bare,
    /// Flags and length come first.
    Framed,
    /// Framed, and perhaps in base64.
    Text,
}

/// A request's body that is neither too long nor too slow, and counts against the [`Budget`].
pub(super) struct GuardedBody<B> {
    inner: B,
    guard: Guard,
    framing: Framing,
    held: Held,
    /// Runs only while the body is awaited.
    silence: Option<BoxFuture<'static, ()>>,
}

impl<B> GuardedBody<B> {
    pub(super) fn new(inner: B, framing: Framing, guard: Guard) -> Self {
        Self { inner, framing, held: guard.budget.hold(), guard, silence: None }
    }

    fn too_long(&self) -> Status {
        Status::resource_exhausted(format!(
            "the request is longer than the limit of {} bytes; send less in one call",
            self.guard.limit
        ))
    }

    fn most_bytes(&self) -> usize {
        match self.framing {
            Framing::Bare => self.guard.limit,
            Framing::Framed => self.guard.limit.saturating_add(HEADER_BYTES),
            // Base64 makes four bytes of three; the decoder behind knows the exact limit.
            Framing::Text => self.guard.limit.saturating_mul(2),
        }
    }

    /// Refuses a message by its declared length, before the rest of it comes.
    fn admit(&mut self, data: &Bytes) -> Result<(), Status> {
        let first = self.held.bytes == 0;
        if first && self.framing == Framing::Framed {
            let length = data.get(1..HEADER_BYTES).and_then(|length| length.try_into().ok());
            let length = length.map_or(0, u32::from_be_bytes);
            if usize::try_from(length).unwrap_or(usize::MAX) > self.guard.limit {
                return Err(self.too_long());
            }
        }
        self.held.add(data.len())?;
        if self.held.bytes > self.most_bytes() {
            return Err(self.too_long());
        }
        Ok(())
    }
}

impl<B> HttpBody for GuardedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) else {
            let Guard { clock, idle, .. } = &this.guard;
            let silence =
                this.silence.get_or_insert_with(|| clock.sleep_until(clock.now() + *idle));
            ready!(silence.poll_unpin(context));
            return Poll::Ready(Some(Err(Status::deadline_exceeded(format!(
                "nothing more of the request came for {} s; send it faster",
                idle.as_secs()
            )))));
        };
        this.silence = None;
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(|error| broken(error.into()))?;
            if let Some(data) = frame.data_ref() {
                this.admit(data)?;
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What a client hears whose body breaks the rules of HTTP, or ends before its time. It is nobody's fault but the
/// client's; what HTTP/2 has words for keeps its own code.
fn broken(error: tonic::codegen::StdError) -> Status {
    let status = Status::from_error(error);
    match status.code() {
        tonic::Code::Unknown => Status::invalid_argument(format!(
            "the request's body cannot be read: {}; send it whole, with the length or the chunks that it announces",
            status.message()
        )),
        _ => status,
    }
}

impl GuardedBody<Body> {
    /// Reads the whole body to the end of `out`. Keep what it answers for as long as the bytes.
    ///
    /// `expects_continue` says that the client sends its body only once it is read, so that a body which is
    /// too long need not be sent at all.
    pub(super) async fn collect(
        mut self,
        out: &mut BytesMut,
        expects_continue: bool,
    ) -> Result<Held, Status> {
        let told = usize::try_from(self.size_hint().lower()).unwrap_or(usize::MAX);
        if told > self.most_bytes() {
            if !expects_continue {
                self.discard().await;
            }
            return Err(self.too_long());
        }
        out.reserve(told);
        while let Some(frame) = self.frame().await {
            match frame {
                Ok(frame) => {
                    if let Some(data) = frame.data_ref() {
                        out.extend_from_slice(data);
                    }
                }
                Err(status) => {
                    if status.code() == tonic::Code::ResourceExhausted {
                        *out = BytesMut::new();
                        self.discard().await;
                    }
                    return Err(status);
                }
            }
        }
        Ok(self.held)
    }

    /// Reads on without keeping anything, for as long as a body of twice the limit deserves.
    async fn discard(&mut self) {
        let mut left = self.most_bytes();
        let inner = &mut self.inner;
        let reading = async {
            while let Some(Ok(frame)) = inner.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    break;
                }
            }
        };
        // Whether it ended or not, the answer is the same.
        let _ = self.guard.clock.timeout(DISCARD, reading).await;
    }
}
