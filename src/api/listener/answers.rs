use std::{
    collections::HashMap,
    io::IoSlice,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use navarch_host::{Clock, Moment};

/// The answers that the client of one connection has not taken yet. HTTP/2 has windows of its own: a client that opens none
/// takes nothing, and yet nothing is stuck on its way to it.
pub(super) struct Answers {
    clock: Clock,
    next: AtomicU64,
    /// Those that wait for their client, and since when it has taken nothing of them.
    waiting: Mutex<HashMap<u64, Moment>>,
}

impl Answers {
    pub(super) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, next: AtomicU64::new(0), waiting: Mutex::default() })
    }

    /// `body`, watched.
    pub(super) fn watch(self: &Arc<Self>, body: Body) -> WatchedBody {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = Arc::new(Answer { answers: Arc::clone(self), id });
        answer.waits();
        WatchedBody { inner: body, answer }
    }

    /// Ends once the client has taken nothing of an answer for `limit`, and no later than twice that.
    pub(super) async fn stalled(&self, limit: Duration) {
        loop {
            let oldest = self.lock().values().min().copied();
            let now = self.clock.now();
            match oldest {
                Some(oldest) if now.since(oldest) >= limit => return,
                Some(oldest) => self.clock.sleep_until(oldest + limit).await,
                None => self.clock.sleep_until(now + limit).await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Moment>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them, for as long as any of it is here.
struct Answer {
    answers: Arc<Answers>,
    id: u64,
}

impl Answer {
    /// It is the client's turn, from now on.
    fn waits(&self) {
        let now = self.answers.clock.now();
        self.answers.lock().insert(self.id, now);
    }

    /// It is the handler's turn.
    fn rests(&self) {
        self.answers.lock().remove(&self.id);
    }

    /// The client has taken some of it. Whose turn it is stays as it was.
    fn moves(&self) {
        let now = self.answers.clock.now();
        if let Some(since) = self.answers.lock().get_mut(&self.id) {
            *since = now;
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.rests();
    }
}

/// A body of an answer that knows whether its client takes it: hyper asks for more once the client has room for it.
pub(super) struct WatchedBody {
    inner: Body,
    answer: Arc<Answer>,
}

impl HttpBody for WatchedBody {
    type Data = WatchedBytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<WatchedBytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(_))) => self.answer.waits(),
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => self.answer.rests(),
        }
        polled.map_ok(|frame| {
            frame.map_data(|bytes| WatchedBytes { bytes, answer: Arc::clone(&self.answer) })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Bytes of an answer; they outlive its body where they are its last.
pub(super) struct WatchedBytes {
    bytes: Bytes,
    answer: Arc<Answer>,
}

impl Buf for WatchedBytes {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.answer.moves();
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.answer.moves();
        self.bytes.copy_to_bytes(count)
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, StreamExt as _, future, stream};
    use http_body_util::BodyExt as _;
    use navarch_host::FakeClock;
    use tokio::task::JoinHandle;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn watched(body: Body) -> (Arc<FakeClock>, JoinHandle<()>, WatchedBody) {
        let fake = FakeClock::new(0);
        let answers = Answers::new(Clock::fake(Arc::clone(&fake)));
        let body = answers.watch(body);
        let stalled = tokio::spawn(async move { answers.stalled(LIMIT).await });
        (fake, stalled, body)
    }

    async fn after(seconds: u64, fake: &FakeClock, stalled: &JoinHandle<()>) -> bool {
        fake.advance(Duration::from_secs(seconds)).await;
        stalled.is_finished()
    }

    /// Without it a client without a window would hold its answers for ever.
    #[tokio::test(flavor = "current_thread")]
    async fn an_answer_that_nobody_takes_is_noticed() {
        let (fake, stalled, body) = watched(Body::from("answer"));
        assert!(!after(59, &fake, &stalled).await);
        assert!(after(1, &fake, &stalled).await);
        drop(body);
    }

    /// Without it a client that takes the first bytes of an answer could hold the rest for ever; or one that takes
    /// its time would be cut off.
    #[tokio::test(flavor = "current_thread")]
    async fn an_answer_that_is_taken_in_parts_is_not() {
        let (fake, stalled, mut body) = watched(Body::from("answer"));
        let mut bytes = body.frame().await.unwrap().unwrap().into_data().ok().unwrap();
        drop(body);
        for _ in 0..3 {
            assert!(!after(50, &fake, &stalled).await);
            bytes.advance(1);
        }
        assert!(!after(59, &fake, &stalled).await);
        assert!(after(60, &fake, &stalled).await, "what is left of it is held");
    }

    /// Without it everybody who watches a fleet in which nothing happens would be cut off.
    #[tokio::test(flavor = "current_thread")]
    async fn an_answer_with_nothing_to_take_is_not() {
        let event = future::ready(Ok::<_, axum::Error>("event"));
        let events = stream::once(event).chain(stream::pending());
        let (fake, stalled, mut body) = watched(Body::from_stream(events));
        drop(body.frame().await);
        assert!(body.frame().now_or_never().is_none());
        for _ in 0..10 {
            assert!(!after(50, &fake, &stalled).await);
        }
        drop(body);
        assert!(!after(600, &fake, &stalled).await);
    }
}
