use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt as _;
use navarch_host::Moment;
use openraft::errors::ClientWriteError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::{
    config::Limits,
    context::Context,
    leadership::Leadership,
    replica_error::ProposeError,
    replica_id::ReplicaId,
    types::{Payload, TypeConfig},
};

/// Raft takes a batch at once unless its own queue is full; a wait beyond this means that it is stuck.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// A proposal that every replica applies, and what apply answered here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its log index.
    pub index: u64,
    /// The state machine's answer.
    pub answer: Bytes,
}

/// How long a batch waits to become as large as the last one.
const COMPANY: Duration = Duration::from_millis(1);

type Answer = Result<Applied, ProposeError>;

/// Gathers proposals into batches: Raft is woken once a batch, and each batch is one append on the disks of a
/// quorum. While one is under way the next gathers, and leaves when that has ended, so that batches grow with the
/// load; where one takes longer than `proposal_linger`, several are under way at once. While none is, a proposal
/// waits for as many as came with the last batch, but no longer than `COMPANY`: clients that were answered together
/// ask again together. One that comes alone leaves at once.
pub(crate) struct Proposer {
    context: Arc<Context>,
    queue: mpsc::Sender<Proposal>,
    under_way: watch::Sender<usize>,
}

/// One proposal under way, for as long as it lives.
struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn new(under_way: &'a watch::Sender<usize>) -> Self {
        under_way.send_modify(|count| *count += 1);
        Self(under_way)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

struct Proposal {
    payload: Payload,
    answer: oneshot::Sender<Answer>,
}

impl Proposer {
    /// A proposer whose task ends with the replica.
    pub(crate) fn start(context: Arc<Context>) -> Self {
        let (queue, proposals) = mpsc::channel(context.config.limits.queued_proposals);
        let task = gather(Arc::clone(&context), proposals);
        context.raft_tasks.spawn("proposer", task);
        Self { context, queue, under_way: watch::Sender::new(0) }
    }

    /// Proposes `payload` and waits for its answer until `deadline`.
    pub(crate) async fn propose(&self, payload: Bytes, deadline: Moment) -> Answer {
        let Limits { proposal_bytes, queued_proposals, .. } = self.context.config.limits;
        if self.context.stop.is_cancelled() {
            return Err(ProposeError::Stopping);
        }
        if payload.len() > proposal_bytes {
            return Err(ProposeError::TooLarge { bytes: payload.len(), limit: proposal_bytes });
        }
        // Counted before the look at the hand-over, which looks at the count after it has begun.
        let _counted = Counted::new(&self.under_way);
        let leadership = *self.context.leadership.borrow();
        if !leadership.local || *self.context.handing_over.borrow() {
            return Err(ProposeError::NotLeader {
                leader: leadership.leader.filter(|_| !leadership.local),
            });
        }
        let (answer, answered) = oneshot::channel();
        let proposal = Proposal { payload: Payload(payload), answer };
        self.queue.try_send(proposal).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                ProposeError::Overloaded { limit: queued_proposals }
            }
            mpsc::error::TrySendError::Closed(_) => ProposeError::Stopping,
        })?;
        match self.context.clock.timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unknown("this replica stopped")),
            Err(_) => Err(unknown("it was not agreed on within the deadline")),
        }
    }

    /// Waits until no proposal is under way.
    pub(crate) async fn drained(&self) {
        // The sender lives as long as this.
        let _ = self.under_way.subscribe().wait_for(|&count| count == 0).await;
    }
}

async fn gather(context: Arc<Context>, mut proposals: mpsc::Receiver<Proposal>) {
    let places = Arc::new(Semaphore::new(context.config.limits.proposal_batches));
    let mut last = 1;
    loop {
        let next = next_batch(&context, &mut proposals, &places, last);
        let Some(Some((batch, place))) = context.stop.run_until_cancelled(next).await else {
            return;
        };
        last = batch.len();
        submit(&context, batch, place).await;
    }
}

/// The next batch and its place among those under way; none once nobody can propose any more. `last` is the size
/// of the batch before.
async fn next_batch(
    context: &Context,
    proposals: &mut mpsc::Receiver<Proposal>,
    places: &Arc<Semaphore>,
    last: usize,
) -> Option<(Vec<Proposal>, OwnedSemaphorePermit)> {
    let limits = &context.config.limits;
    let all = u32::try_from(limits.proposal_batches).unwrap_or(u32::MAX);
    loop {
        let mut batch = vec![proposals.recv().await?];
        if places.available_permits() < limits.proposal_batches {
            // Either way it is this batch's turn.
            let _ = context.clock.timeout(limits.proposal_linger, places.acquire_many(all)).await;
        } else if last > 1 {
            let until = context.clock.now() + COMPANY;
            while batch.len() < last
                && let Ok(Some(proposal)) = context.clock.timeout_at(until, proposals.recv()).await
            {
                batch.push(proposal);
            }
        }
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        while batch.len() < limits.proposal_batch
            && let Ok(proposal) = proposals.try_recv()
        {
            batch.push(proposal);
        }
        // Whoever stopped waiting before the proposal left takes it back.
        batch.retain(|proposal| !proposal.answer.is_closed());
        if !batch.is_empty() {
            return Some((batch, place));
        }
    }
}

/// Hands one batch to Raft in order, and leaves a task that waits for its answers.
async fn submit(context: &Arc<Context>, batch: Vec<Proposal>, permit: OwnedSemaphorePermit) {
    let Some(running) = context.running() else {
        return;
    };
    let (payloads, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|proposal| (proposal.payload, proposal.answer)).unzip();
    let mut leadership = context.leadership.subscribe();
    // What waited here while the leader was cut off is not proposed: whoever asked may ask another replica.
    if leadership.borrow().cut_off {
        return answer_all(answers, &ProposeError::NotLeader { leader: None });
    }
    let written = running.raft.client_write_many(payloads);
    let mut results = match context.clock.timeout(SUBMIT_TIMEOUT, written).await {
        Ok(Ok(results)) => results,
        Ok(Err(fatal)) => return answer_all(answers, &unknown(fatal.to_string())),
        Err(_) => return answer_all(answers, &unknown("Raft did not take it in time")),
    };
    context.raft_tasks.spawn("proposal batch", async move {
        let mut answers = answers.into_iter();
        let answering = async {
            while let Some(result) = results.next().await {
                let Some(answer) = answers.next() else {
                    break;
                };
                let result = match result {
                    Ok(Ok(written)) => {
                        Ok(Applied { index: written.log_id.index, answer: written.response.0 })
                    }
                    Ok(Err(refused)) => Err(refusal(&refused)),
                    Err(fatal) => Err(unknown(fatal.to_string())),
                };
                // A caller that has gone away needs no answer.
                let _ = answer.send(result);
            }
        };
        // Raft would not answer before it hears from a quorum again, which may take for ever.
        let why = tokio::select! {
            biased;
            () = answering => "Raft stopped",
            () = cut_off(&mut leadership) => "no quorum has answered this leader for longer than its lease",
        };
        answer_all(answers, &unknown(why));
        drop(permit);
    });
}

/// Waits until this replica is cut off.
async fn cut_off(leadership: &mut watch::Receiver<Leadership>) {
    if leadership.wait_for(|seen| seen.cut_off).await.is_err() {
        // The replica ends, which Raft tells.
        std::future::pending::<()>().await;
    }
}

fn answer_all(answers: impl IntoIterator<Item = oneshot::Sender<Answer>>, error: &ProposeError) {
    for answer in answers {
        let _ = answer.send(Err(error.clone()));
    }
}

fn refusal(error: &ClientWriteError<TypeConfig>) -> ProposeError {
    match error {
        ClientWriteError::ForwardToLeader(forward) => {
            ProposeError::NotLeader { leader: forward.leader_id.map(ReplicaId) }
        }
        ClientWriteError::LogEntryDiscarded(_) => {
            unknown("another leader took over before it was agreed on")
        }
        // Only changes of the membership are refused so, and those do not pass here.
        ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_) => {
            unknown(error.to_string())
        }
    }
}

fn unknown(reason: impl Into<String>) -> ProposeError {
    ProposeError::Unknown { reason: reason.into() }
}
