use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use futures::{FutureExt as _, Stream, StreamExt as _, future, future::BoxFuture};
use navarch_host::Clock;
use navarch_proto::peer::{self, peer_service_client::PeerServiceClient};
use openraft::{OptionalSend, raft::StreamAppendResult};
use tokio::sync::oneshot;
use tonic::{Status, Streaming, transport::Channel};

use super::{
    messages::{AppendRequest, decode_append_result, encode_append},
    network::{AppendResults, Peer, RpcError, codec_error, rpc_error},
};
use crate::types::TypeConfig;

/// A peer that owes an answer for a whole one of these, after the one in which that began, is taken for gone: its disk hangs, if
/// its connection lives. What it holds up would be kept for it for ever: openraft purges nothing that is on its way to a
/// peer, and a log that is never purged fills the memory.
const PATIENCE: Duration = Duration::from_secs(15);

/// Opens a stream of appends to `peer`. The envelope travels in a first message of its own, since there may be
/// nothing to append for a long time after `first`. How many are under way is bounded by the connection's window and by
/// what the peer takes in at once.
pub(crate) async fn open<'s, S>(
    mut client: PeerServiceClient<Channel>,
    envelope: peer::Envelope,
    (peer, clock): (Peer, Clock),
    (first, input): (AppendRequest, S),
) -> Result<AppendResults<'s>, RpcError>
where
    S: Stream<Item = AppendRequest> + OptionalSend + Unpin + 'static,
{
    // openraft starts the next stream only when this one has let go of its input, which the connection holds
    // until the request ends: so the end of the results must end the request.
    let (alive, ended) = oneshot::channel::<()>();
    let opening = peer::AppendCall { envelope: Some(envelope), ..peer::AppendCall::default() };
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    let calls = futures::stream::once(future::ready(opening))
        .chain(futures::stream::once(future::ready(first)).chain(input).map(move |request| {
            counted.fetch_add(1, Ordering::Relaxed);
            encode_append(&request, None)
        }))
        .take_until(ended);
    let replies =
        client.stream_append(calls).await.map_err(|status| rpc_error(&peer, &status))?.into_inner();
    let owed = Owed::new(asked, clock);
    Ok(Box::pin(Results { replies, peer, owed, failed: false, _alive: alive }))
}

/// The answers, in the order of the appends; nothing follows an error.
struct Results {
    replies: Streaming<peer::AppendReply>,
    peer: Peer,
    owed: Owed,
    failed: bool,
    _alive: oneshot::Sender<()>,
}

impl Stream for Results {
    type Item = Result<StreamAppendResult<TypeConfig>, RpcError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let Poll::Ready(reply) = self.replies.poll_next_unpin(task) else {
            if self.owed.poll_overdue(task).is_pending() {
                return Poll::Pending;
            }
            self.failed = true;
            let silent = Status::unavailable(format!("no append was answered within {PATIENCE:?}"));
            return Poll::Ready(Some(Err(rpc_error(&self.peer, &silent))));
        };
        self.owed.answered += 1;
        let item = reply.map(|reply| match reply {
            Ok(reply) => decode_append_result(&reply).map_err(|error| codec_error(&error)),
            Err(status) => Err(rpc_error(&self.peer, &status)),
        });
        self.failed = matches!(item, None | Some(Err(_)));
        Poll::Ready(item)
    }
}

/// Answers that are owed, looked at now and then: whoever sends does not wake whoever waits.
struct Owed {
    asked: Arc<AtomicU64>,
    answered: u64,
    /// How many were answered when a look found that some were owed; none: none were.
    since: Option<u64>,
    look: BoxFuture<'static, ()>,
    clock: Clock,
}

impl Owed {
    fn new(asked: Arc<AtomicU64>, clock: Clock) -> Self {
        Self { asked, answered: 0, since: None, look: look(&clock), clock }
    }

    /// Ready once nothing came between two looks although something was owed.
    fn poll_overdue(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        while self.look.poll_unpin(task).is_ready() {
            self.look = look(&self.clock);
            let owes = self.asked.load(Ordering::Relaxed) > self.answered;
            if owes && self.since == Some(self.answered) {
                return Poll::Ready(());
            }
            self.since = owes.then_some(self.answered);
        }
        Poll::Pending
    }
}

fn look(clock: &Clock) -> BoxFuture<'static, ()> {
    let clock = clock.clone();
    async move { clock.sleep(PATIENCE).await }.boxed()
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;
    use navarch_host::FakeClock;

    use super::*;

    fn overdue(owed: &mut Owed) -> bool {
        let now = poll_fn(|task| Poll::Ready(owed.poll_overdue(task).is_ready()));
        now.now_or_never().unwrap_or(false)
    }

    /// Without it a follower whose disk hangs would keep every later leader from purging its log, and a quiet one be taken for
    /// such a follower.
    #[tokio::test(flavor = "current_thread")]
    async fn only_an_answer_that_is_owed_is_missed() {
        let fake = FakeClock::new(0);
        let clock = Clock::fake(Arc::clone(&fake));
        let asked = Arc::new(AtomicU64::new(0));
        let mut owed = Owed::new(Arc::clone(&asked), clock);
        for _ in 0..4 {
            fake.advance(PATIENCE).await;
            assert!(!overdue(&mut owed), "nothing was asked");
        }
        asked.store(2, Ordering::Relaxed);
        fake.advance(PATIENCE).await;
        assert!(!overdue(&mut owed), "it was asked a moment ago");
        owed.answered = 1;
        fake.advance(PATIENCE).await;
        assert!(!overdue(&mut owed), "it answers");
        fake.advance(PATIENCE).await;
        assert!(overdue(&mut owed));
    }
}
