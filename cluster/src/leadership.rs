use std::{sync::Arc, time::Duration};

use navarch_host::Moment;
use openraft::{Instant as _, ServerState, async_runtime::watch::WatchReceiver as _};

use crate::{
    context::{Context, Running, StopReason},
    proposer::Proposer,
    replica_error::MembershipError,
    replica_id::ReplicaId,
};

/// How long a hand-over waits for the answers to what was proposed; several appends' worth.
const DRAIN: Duration = Duration::from_millis(100);

/// Who leads, as this replica knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The term; two leaders can bear one term in turn, so it is no fence by itself.
    pub term: u64,
    /// The leader, while one is known.
    pub leader: Option<ReplicaId>,
    /// This replica leads, and a quorum has confirmed it within the lease.
    pub local: bool,
    /// It was elected, and no quorum has answered it since: it may propose nothing yet.
    pub just_elected: bool,
    /// It leads as far as it knows, but no quorum has confirmed it for longer than the lease: another may lead by now.
    pub cut_off: bool,
}

impl Leadership {
    /// Whether this replica leads as far as it knows, and a quorum has confirmed that within the lease, or is just being asked.
    pub fn is_elected(&self) -> bool {
        self.local || self.just_elected
    }
}

/// Keeps [`Context::leadership`] up to date until the replica stops, and notices a Raft that has died.
///
/// Raft tells of a change only when a vote changes: a leader that is cut off is not told. So while this
/// replica leads, the age of the last quorum's acknowledgement is looked at several times a lease.
pub(crate) async fn watch_leadership(context: Arc<Context>) {
    let Some(running) = context.running() else {
        return;
    };
    let mut server = running.raft.server_metrics();
    let mut all = running.raft.metrics();
    let mut handing_over = context.handing_over.subscribe();
    let mut leader_returns = context.leader_returns();
    loop {
        if let Err(fatal) = all.borrow_watched().running_state.clone() {
            return context.stop_with(StopReason::Failed(fatal.to_string()));
        }
        let now = current(&context, running);
        context.leadership.send_if_modified(|seen| {
            let changed = *seen != now;
            *seen = now;
            changed
        });
        let leads = server.borrow_watched().state == ServerState::Leader;
        tokio::select! {
            () = context.stop.cancelled() => return,
            changed = server.changed() => if changed.is_err() {
                let fatal = all.borrow_watched().running_state.clone();
                let reason = fatal.err().map_or_else(String::new, |fatal| fatal.to_string());
                return context.stop_with(StopReason::Failed(reason));
            },
            _ = handing_over.changed() => {}
            _ = leader_returns.changed() => {}
            // A new leader serves from its first acknowledgement on, not from the next look at the clock.
            _ = all.changed(), if leads && !now.local => {}
            () = context.clock.sleep(check_interval(&context)) => {}
        }
    }
}

fn check_interval(context: &Context) -> Duration {
    context.lease() / 6
}

fn current(context: &Context, running: &Running) -> Leadership {
    let metrics = running.raft.server_metrics();
    let metrics = metrics.borrow_watched().clone();
    let own_id = running.identity.replica_id;
    let leads = metrics.state == ServerState::Leader
        && metrics.current_leader == Some(own_id)
        && !*context.handing_over.borrow();
    let age = quorum_age(running).filter(|_| leads);
    let local = age.is_some_and(|age| age <= context.lease());
    let just_elected = leads && age.is_none();
    let cut_off = age.is_some_and(|age| age > context.lease());
    // Raft keeps the name of a leader that died until another one stands for election.
    let heard = || {
        let contact = context.leader_contact();
        contact.is_some_and(|contact| contact <= context.lease())
    };
    let leader = metrics.current_leader.filter(|&id| match id == own_id {
        true => local,
        false => heard(),
    });
    let term = metrics.vote.leader_id.term;
    Leadership { term, leader: leader.map(ReplicaId), local, just_elected, cut_off }
}

/// Whether this replica leads and a quorum answered a message that it sent within `age`.
pub(crate) fn quorum_acknowledged_within(running: &Running, age: Duration) -> bool {
    quorum_age(running).is_some_and(|last| last <= age)
}

/// How long ago this leader sent the last message that a quorum has answered; none before the first of its term, and
/// for whoever does not lead.
fn quorum_age(running: &Running) -> Option<Duration> {
    let metrics = running.raft.metrics();
    let metrics = metrics.borrow_watched();
    if metrics.state != ServerState::Leader {
        return None;
    }
    let own_id = running.identity.replica_id;
    let mut voters = metrics.membership_config.voter_ids();
    if voters.next() == Some(own_id) && voters.next().is_none() {
        return Some(Duration::ZERO);
    }
    metrics.last_quorum_acked.map(|acknowledged| acknowledged.elapsed())
}

/// Hands leadership to `to`, or to the other voter that lacks least: the new leader.
///
/// Nothing new is proposed from now on; what was proposed is answered first, so that a hand-over loses no
/// answer. A target that does not take over leaves the group to elect a leader in the usual time.
pub(crate) async fn hand_over(
    context: &Context,
    proposer: &Proposer,
    to: Option<ReplicaId>,
    deadline: Moment,
) -> Result<ReplicaId, MembershipError> {
    let running = context.running().ok_or(MembershipError::Stopping)?;
    let own_id = ReplicaId(running.identity.replica_id);
    if to == Some(own_id) {
        return Ok(own_id);
    }
    let target = choose_target(running, to, context.lease())?;
    let handing_over = HandingOver::begin(context);
    let taken_over = async {
        // A proposal that takes longer is waiting for something that a hand-over would not hurt.
        let _ = context.clock.timeout(DRAIN, proposer.drained()).await;
        let triggered = running.raft.trigger().transfer_leader(target.0).await;
        triggered.map_err(|_| MembershipError::Stopping)?;
        let mut metrics = running.raft.server_metrics();
        let other = |leader: Option<u64>| leader.filter(|&id| id != own_id.0);
        let taken = metrics.wait_until(|metrics| other(metrics.current_leader).is_some());
        let taken = taken.await.map_err(|_| MembershipError::Stopping)?;
        Ok(other(taken.current_leader).map_or(target, ReplicaId))
    };
    let limit = deadline.min(context.clock.now() + context.config.timings.hand_over);
    let result = match context.clock.timeout_at(limit, taken_over).await {
        Ok(result) => result,
        Err(_) => Err(MembershipError::BadTarget {
            id: target,
            reason: "it did not take over in time; an election follows".to_owned(),
        }),
    };
    drop(handing_over);
    result
}

/// Set for as long as it lives, also if whoever asked for the hand-over gives up.
struct HandingOver<'a>(&'a Context);

impl<'a> HandingOver<'a> {
    fn begin(context: &'a Context) -> Self {
        context.handing_over.send_replace(true);
        Self(context)
    }
}

impl Drop for HandingOver<'_> {
    fn drop(&mut self) {
        self.0.handing_over.send_replace(false);
    }
}

fn choose_target(
    running: &Running,
    to: Option<ReplicaId>,
    lease: Duration,
) -> Result<ReplicaId, MembershipError> {
    let metrics = running.raft.metrics();
    let metrics = metrics.borrow_watched();
    let own_id = running.identity.replica_id;
    let matched = |id: u64| {
        let replication = metrics.replication.as_ref();
        replication.and_then(|matched| matched.get(&id).copied().flatten())
    };
    let heard = |id: u64| {
        let heartbeat = metrics.heartbeat.as_ref();
        let last = heartbeat.and_then(|heard| heard.get(&id).copied().flatten());
        last.is_some_and(|last| last.elapsed() <= lease)
    };
    let bad = |id: u64, reason: &str| MembershipError::BadTarget {
        id: ReplicaId(id),
        reason: reason.to_owned(),
    };
    let mut voters = metrics.membership_config.voter_ids().filter(|&id| id != own_id);
    match to {
        None => voters
            .filter(|&id| heard(id))
            .max_by_key(|&id| matched(id))
            .map(ReplicaId)
            .ok_or_else(|| bad(own_id, "no other voter answers")),
        Some(to) if !voters.any(|id| id == to.0) => Err(bad(to.0, "it is not a voter")),
        Some(to) if !heard(to.0) => Err(bad(to.0, "it does not answer")),
        Some(to) => Ok(to),
    }
}
