use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use navarch_host::Moment;
use navarch_proto::peer::{self, read_index_reply};
use openraft::ReadPolicy;
use tokio::sync::{mpsc, oneshot};

use crate::{context::Context, replica_error::ReadError, transport::Lane, types::LogId};

/// Rounds under way at once: a read that comes during one need not wait for its end.
const ROUNDS: usize = 4;
/// Reads that share one round.
const READS_PER_ROUND: usize = 4_096;
/// Between two tries while no leader confirms.
const RETRY: Duration = Duration::from_millis(25);

/// A read that waits for its round; answered with the index, or with what went wrong.
type Read = oneshot::Sender<Result<u64, String>>;

/// Confirms with a quorum that nothing newer was agreed on elsewhere. All reads that have come when a round
/// starts share it, on a follower and again on the leader.
pub(crate) struct ReadIndexer {
    context: Arc<Context>,
    queue: mpsc::Sender<Read>,
}

impl ReadIndexer {
    /// A read indexer whose task ends with the replica.
    pub(crate) fn start(context: Arc<Context>) -> Self {
        let (queue, reads) = mpsc::channel(context.config.limits.queued_reads);
        let task = run_rounds(Arc::clone(&context), reads);
        context.raft_tasks.spawn("read index", task);
        Self { context, queue }
    }

    /// Returns once this replica has applied all that was agreed on when the call came: the index. Where no leader confirms
    /// it, it does not wait as long as the caller would, and not at all where this replica led and is cut off.
    pub(crate) async fn read(&self, deadline: Moment) -> Result<u64, ReadError> {
        let Context { clock, .. } = &*self.context;
        let limit = deadline.min(clock.now() + self.context.patience());
        loop {
            let reason = match self.confirm(limit).await? {
                Ok(index) => return self.wait_applied(index, deadline).await,
                Err(reason) => reason,
            };
            let cut_off = self.context.leadership.borrow().cut_off;
            let wait = self.wait_for_change();
            if cut_off || clock.timeout_at(limit, wait).await.is_err() {
                return Err(ReadError::NoLeader { reason });
            }
        }
    }

    /// The index that a read must have applied, by the next round, or why that round gave none.
    pub(crate) async fn confirm(&self, deadline: Moment) -> Result<Result<u64, String>, ReadError> {
        if self.context.stop.is_cancelled() {
            return Err(ReadError::Stopping);
        }
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(answer).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                ReadError::Overloaded { limit: self.context.config.limits.queued_reads }
            }
            mpsc::error::TrySendError::Closed(_) => ReadError::Stopping,
        })?;
        match self.context.clock.timeout_at(deadline, answered).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(ReadError::Stopping),
            Err(_) => Err(ReadError::NoLeader {
                reason: "it was not confirmed within the deadline".to_owned(),
            }),
        }
    }

    async fn wait_applied(&self, index: u64, deadline: Moment) -> Result<u64, ReadError> {
        let running = self.context.running().ok_or(ReadError::Stopping)?;
        let mut progress = running.raft.watch_apply_progress();
        let reached =
            |applied: &Option<LogId>| applied.is_some_and(|applied| applied.index >= index);
        let applied = progress.wait_until(reached);
        match self.context.clock.timeout_at(deadline, applied).await {
            Ok(Ok(_)) => Ok(index),
            Ok(Err(_)) => Err(ReadError::Stopping),
            Err(_) => Err(ReadError::Behind { index }),
        }
    }

    /// Waits a moment, less if another leader appears.
    async fn wait_for_change(&self) {
        let mut leadership = self.context.leadership.subscribe();
        leadership.mark_unchanged();
        tokio::select! {
            _ = leadership.changed() => {}
            () = self.context.clock.sleep(RETRY) => {}
        }
    }
}

async fn run_rounds(context: Arc<Context>, mut reads: mpsc::Receiver<Read>) {
    let mut rounds = FuturesUnordered::new();
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            () = context.stop.cancelled() => return,
            Some(()) = rounds.next() => {}
            count = reads.recv_many(&mut batch, READS_PER_ROUND), if rounds.len() < ROUNDS => {
                if count == 0 {
                    return;
                }
                batch.retain(|read| !read.is_closed());
                if !batch.is_empty() {
                    rounds.push(round(Arc::clone(&context), batch));
                }
            }
        }
    }
}

/// One round for all of `batch`, which came before it.
async fn round(context: Arc<Context>, batch: Vec<Read>) {
    let limit = context.config.timings.peer_call;
    let confirmed = match context.clock.timeout(limit, ask(&context)).await {
        Ok(confirmed) => confirmed,
        Err(_) => Err("the leader did not answer in time".to_owned()),
    };
    for read in batch {
        // A caller that has gone away needs no answer.
        let _ = read.send(confirmed.clone());
    }
}

async fn ask(context: &Context) -> Result<u64, String> {
    let running = context.running().ok_or("this replica belongs to no group yet")?;
    let leadership = *context.leadership.borrow();
    if leadership.local {
        let linearizer = running.raft.get_read_linearizer(ReadPolicy::ReadIndex).await;
        let linearizer = linearizer.map_err(|error| error.to_string())?;
        return Ok(linearizer.read_log_id().index());
    }
    let leader = leadership.leader.ok_or("no leader is known")?;
    let info = context
        .member(leader.0)
        .ok_or_else(|| format!("leader {leader} is not in the membership"))?;
    let client = context.channels.client(&info.address, Lane::Urgent);
    let call = peer::ReadIndexCall { envelope: Some(context.envelope(leader.0, &info.store_id)) };
    let reply = match client {
        Ok(mut client) => client.read_index(call).await,
        Err(status) => Err(status),
    };
    let reply = reply
        .map_err(|status| format!("leader {leader} at {}: {}", info.address, status.message()))?;
    match reply.into_inner().result {
        Some(read_index_reply::Result::Index(index)) => Ok(index),
        Some(read_index_reply::Result::NotLeader(_)) => {
            Err(format!("replica {leader} does not lead any more"))
        }
        None => Err(format!("leader {leader} answered nothing")),
    }
}
