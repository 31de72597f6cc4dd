use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _};
use navarch_proto::peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::{Status, Streaming};

use super::{BODY_BYTES_MAX, CALLS_PER_BATCH, RelayHandler, fit};
use crate::{context::Context, replica_id::ReplicaId};

/// Serves one follower's stream: each call in a task of its own, as many at once as the limits allow.
pub(crate) async fn serve(
    context: Arc<Context>,
    handler: Arc<dyn RelayHandler>,
    mut batches: Streaming<peer::RelayBatch>,
) -> Result<impl Stream<Item = Result<peer::RelayReplyBatch, Status>> + Send + 'static, Status> {
    let first = batches
        .next()
        .await
        .ok_or_else(|| Status::invalid_argument("a relay stream without a first message"))??;
    let from = ReplicaId(context.admit(first.envelope.as_ref())?);
    let limit = context.config.limits.relayed_calls;
    let (replies, gathered) = mpsc::channel(limit);
    let follower = Follower {
        from,
        permits: Arc::new(Semaphore::new(limit)),
        replies,
        handler,
        context: Arc::clone(&context),
    };
    context.raft_tasks.spawn("relay stream", follower.read(first.calls, batches));
    Ok(gather(gathered))
}

/// One follower's calls.
struct Follower {
    from: ReplicaId,
    permits: Arc<Semaphore>,
    replies: mpsc::Sender<peer::RelayReply>,
    handler: Arc<dyn RelayHandler>,
    context: Arc<Context>,
}

impl Follower {
    async fn read(self, first: Vec<peer::RelayCall>, mut batches: Streaming<peer::RelayBatch>) {
        let mut calls = first;
        loop {
            for call in calls {
                // A follower that sends more than it was allowed waits, and with it its connection.
                let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                    return;
                };
                self.start(call, permit).await;
            }
            let batch = tokio::select! {
                () = self.context.stop.cancelled() => return,
                () = self.replies.closed() => return,
                batch = batches.next() => batch,
            };
            match batch {
                Some(Ok(batch)) => calls = batch.calls,
                Some(Err(_)) | None => return,
            }
        }
    }

    async fn start(&self, call: peer::RelayCall, permit: OwnedSemaphorePermit) {
        let replies = self.replies.clone();
        if !self.context.leadership.borrow().local {
            let refusal =
                peer::RelayReply { id: call.id, not_leader: true, body: bytes::Bytes::new() };
            // If the stream has ended, the follower knows that its calls are lost.
            let _ = replies.send(refusal).await;
            return;
        }
        let (handler, from) = (Arc::clone(&self.handler), self.from);
        let clock = self.context.clock.clone();
        self.context.outer_tasks.spawn("relayed call", async move {
            let timeout = Duration::from_millis(call.timeout_ms.into());
            let answered = clock.timeout(timeout, handler.relayed(from, call.body, timeout));
            // Nobody waits any more for an answer that is late.
            if let Ok(body) = answered.await {
                if body.len() > BODY_BYTES_MAX {
                    tracing::error!(
                        bytes = body.len(),
                        "the answer to a relayed call is too large to carry"
                    );
                    return;
                }
                let reply = peer::RelayReply { id: call.id, not_leader: false, body };
                let _ = replies.send(reply).await;
            }
            drop(permit);
        });
    }
}

/// Replies that are ready together leave together.
fn gather(
    replies: mpsc::Receiver<peer::RelayReply>,
) -> impl Stream<Item = Result<peer::RelayReplyBatch, Status>> + Send + 'static {
    futures::stream::unfold((replies, Vec::new()), |(mut replies, mut waiting)| async move {
        if waiting.is_empty() {
            replies.recv_many(&mut waiting, CALLS_PER_BATCH).await;
        }
        let count = fit(waiting.iter().map(|reply: &peer::RelayReply| reply.body.len()));
        let rest = waiting.split_off(count);
        (count > 0).then(|| (Ok(peer::RelayReplyBatch { replies: waiting }), (replies, rest)))
    })
}
