use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures::StreamExt as _;
use navarch_host::{Clock, Moment};
use navarch_proto::peer;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{BATCHES_ON_THE_WAY, BODY_BYTES_MAX, CALLS_PER_BATCH, fit};
use crate::{
    context::Context, replica_error::RelayError, replica_id::ReplicaId, transport::Lane,
    types::ReplicaInfo,
};

type Answer = Result<Bytes, RelayError>;

const STOPPED: &str = "this replica stopped";
const BROKEN: &str = "the connection to the leader broke";

struct Call {
    body: Bytes,
    deadline: Moment,
    answer: oneshot::Sender<Answer>,
}

/// The follower's side: a queue, and one task that owns the stream to the leader.
///
/// A call is "not sent" until it is handed to an open stream; from then on it may have been carried out, and a
/// broken stream makes it unknown.
pub(crate) struct RelayClient {
    context: Arc<Context>,
    queue: mpsc::Sender<Call>,
}

impl RelayClient {
    /// A client whose task ends with the replica.
    pub(crate) fn start(context: Arc<Context>) -> Self {
        let (queue, calls) = mpsc::channel(context.config.limits.relayed_calls);
        let task = carry(Arc::clone(&context), calls);
        context.raft_tasks.spawn("relay", task);
        Self { context, queue }
    }

    /// Carries `body` to the leader, for which it waits until `deadline` if none is known.
    pub(crate) async fn relay(&self, body: Bytes, deadline: Moment) -> Answer {
        if self.context.stop.is_cancelled() {
            return Err(RelayError::Stopping);
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(RelayError::NotSent {
                reason: format!(
                    "its {} bytes are over the limit of {BODY_BYTES_MAX} bytes",
                    body.len()
                ),
            });
        }
        let clock = &self.context.clock;
        let known = clock.timeout_at(deadline, self.wait_for_leader());
        if known.await.map_err(|_| RelayError::NoLeader)? {
            return Err(RelayError::NotSent { reason: "this replica leads now".to_owned() });
        }
        let (answer, answered) = oneshot::channel();
        let call = Call { body, deadline, answer };
        self.queue.try_send(call).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                RelayError::Overloaded { limit: self.context.config.limits.relayed_calls }
            }
            mpsc::error::TrySendError::Closed(_) => RelayError::Stopping,
        })?;
        match clock.timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unknown(STOPPED)),
            Err(_) => Err(unknown("the leader did not answer within the deadline")),
        }
    }

    /// Waits until a leader is known: whether it is this replica.
    async fn wait_for_leader(&self) -> bool {
        let mut leadership = self.context.leadership.subscribe();
        let known = leadership.wait_for(|leadership| leadership.leader.is_some());
        match known.await {
            Ok(leadership) => leadership.local,
            // The context outlives its users.
            Err(_) => false,
        }
    }
}

/// Moves calls to whoever leads, one stream after another, until the replica stops.
async fn carry(context: Arc<Context>, mut calls: mpsc::Receiver<Call>) {
    let mut waiting = Vec::new();
    loop {
        waiting.retain(|call: &Call| !call.answer.is_closed());
        if waiting.is_empty() {
            let count = tokio::select! {
                () = context.stop.cancelled() => return,
                count = calls.recv_many(&mut waiting, CALLS_PER_BATCH) => count,
            };
            if count == 0 {
                return;
            }
        }
        let mut leadership = context.leadership.subscribe();
        let leader = leadership.borrow_and_update().leader;
        let opened = tokio::select! {
            () = context.stop.cancelled() => return,
            opened = open(&context) => opened,
            // One that is gone lets a stream wait; nothing was sent yet.
            _ = leadership.wait_for(|now| now.leader != leader) => continue,
        };
        match opened {
            Ok(stream) => stream.run(&context, &mut calls, &mut waiting).await,
            Err(reason) => answer_all(waiting.drain(..), &RelayError::NotSent { reason }),
        }
    }
}

/// An open stream to a leader.
struct LeaderStream {
    leader: ReplicaId,
    outbound: mpsc::Sender<peer::RelayBatch>,
    replies: Streaming<peer::RelayReplyBatch>,
}

async fn open(context: &Context) -> Result<LeaderStream, String> {
    let leadership = *context.leadership.borrow();
    let leader = leadership.leader.ok_or("no leader is known")?;
    if leadership.local {
        return Err("this replica leads now".to_owned());
    }
    let info = context
        .member(leader.0)
        .ok_or_else(|| format!("leader {leader} is not in the membership"))?;
    let connected =
        context.clock.timeout(context.config.timings.peer_call, connect(context, leader, &info));
    match connected.await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(status)) => {
            Err(format!("leader {leader} at {}: {}", info.address, status.message()))
        }
        Err(_) => Err(format!("leader {leader} at {} does not answer", info.address)),
    }
}

async fn connect(
    context: &Context,
    leader: ReplicaId,
    info: &ReplicaInfo,
) -> Result<LeaderStream, tonic::Status> {
    let mut client = context.channels.client(&info.address, Lane::Relay)?;
    let (outbound, batches) = mpsc::channel(BATCHES_ON_THE_WAY);
    let first = peer::RelayBatch {
        envelope: Some(context.envelope(leader.0, &info.store_id)),
        calls: Vec::new(),
    };
    // The channel is empty, so there is room.
    let _ = outbound.try_send(first);
    let replies = client.relay(ReceiverStream::new(batches)).await?.into_inner();
    Ok(LeaderStream { leader, outbound, replies })
}

impl LeaderStream {
    /// Carries `waiting` and what follows in `calls` until the stream ends or another replica leads. What is
    /// left in `waiting` was not sent.
    async fn run(
        mut self,
        context: &Arc<Context>,
        calls: &mut mpsc::Receiver<Call>,
        waiting: &mut Vec<Call>,
    ) {
        let mut leadership = context.leadership.subscribe();
        let mut pending = Pending::new(context.config.limits.relayed_calls);
        let reason = loop {
            let room = pending.room();
            if leadership.borrow_and_update().leader != Some(self.leader) {
                return self.finish_elsewhere(context, pending);
            }
            tokio::select! {
                () = context.stop.cancelled() => break STOPPED,
                changed = leadership.changed() => if changed.is_err() {
                    break STOPPED;
                },
                batch = self.replies.next() => match batch {
                    Some(Ok(batch)) => pending.answer(batch),
                    Some(Err(_)) | None => break BROKEN,
                },
                permit = self.outbound.reserve(), if !waiting.is_empty() && room > 0 => {
                    let Ok(permit) = permit else {
                        break BROKEN;
                    };
                    // Taken only now, when the batch surely leaves; more may have come since.
                    while waiting.len() < CALLS_PER_BATCH && let Ok(call) = calls.try_recv() {
                        waiting.push(call);
                    }
                    let count = fit(waiting.iter().map(|call| call.body.len())).min(room);
                    permit.send(pending.register(waiting.drain(..count), &context.clock));
                }
                count = calls.recv_many(waiting, CALLS_PER_BATCH), if waiting.is_empty() => {
                    if count == 0 {
                        break STOPPED;
                    }
                }
            }
        };
        answer_all(pending.into_answers(), &unknown(reason));
    }

    /// A leader that has handed over still answers what it was sent before; new calls need not wait for that. One that
    /// is not heard any more answers nothing, but for what is on its way if it was this replica that stood still.
    fn finish_elsewhere(self, context: &Arc<Context>, mut pending: Pending) {
        let timings = &context.config.timings;
        let heard = context.leader_contact().is_some_and(|contact| contact <= context.lease());
        let limit = if heard { timings.hand_over } else { timings.heartbeat };
        let Self { outbound, mut replies, .. } = self;
        drop(outbound);
        let task_context = Arc::clone(context);
        context.raft_tasks.spawn("relay drains", async move {
            let drained = async {
                while !pending.is_empty()
                    && let Some(Ok(batch)) = replies.next().await
                {
                    pending.answer(batch);
                }
            };
            tokio::select! {
                () = task_context.stop.cancelled() => {}
                _ = task_context.clock.timeout(limit, drained) => {}
            }
            answer_all(pending.into_answers(), &unknown("another replica leads now"));
        });
    }
}

/// Calls that were sent and not yet answered.
struct Pending {
    limit: usize,
    next_id: u64,
    answers: HashMap<u64, oneshot::Sender<Answer>>,
}

impl Pending {
    fn new(limit: usize) -> Self {
        Self { limit, next_id: 1, answers: HashMap::new() }
    }

    fn room(&mut self) -> usize {
        if self.answers.len() >= self.limit {
            // Callers whose deadline passed; a late reply finds nobody.
            self.answers.retain(|_, answer| !answer.is_closed());
        }
        self.limit.saturating_sub(self.answers.len())
    }

    fn register(&mut self, calls: impl Iterator<Item = Call>, clock: &Clock) -> peer::RelayBatch {
        let now = clock.now();
        let mut batch = peer::RelayBatch::default();
        for call in calls.filter(|call| !call.answer.is_closed()) {
            let left = call.deadline.since(now).as_millis();
            batch.calls.push(peer::RelayCall {
                id: self.next_id,
                timeout_ms: u32::try_from(left).unwrap_or(u32::MAX),
                body: call.body,
            });
            self.answers.insert(self.next_id, call.answer);
            self.next_id += 1;
        }
        batch
    }

    fn answer(&mut self, batch: peer::RelayReplyBatch) {
        for reply in batch.replies {
            if let Some(answer) = self.answers.remove(&reply.id) {
                let result = match reply.not_leader {
                    true => Err(RelayError::NotLeader),
                    false => Ok(reply.body),
                };
                let _ = answer.send(result);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    fn into_answers(self) -> impl Iterator<Item = oneshot::Sender<Answer>> {
        self.answers.into_values()
    }
}

trait Answerable {
    fn into_answer(self) -> oneshot::Sender<Answer>;
}

impl Answerable for Call {
    fn into_answer(self) -> oneshot::Sender<Answer> {
        self.answer
    }
}

impl Answerable for oneshot::Sender<Answer> {
    fn into_answer(self) -> oneshot::Sender<Answer> {
        self
    }
}

fn answer_all(waiting: impl Iterator<Item = impl Answerable>, error: &RelayError) {
    for call in waiting {
        let _ = call.into_answer().send(Err(error.clone()));
    }
}

fn unknown(reason: &str) -> RelayError {
    RelayError::Unknown { reason: reason.to_owned() }
}
