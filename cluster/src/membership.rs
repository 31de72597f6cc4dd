use std::{collections::BTreeSet, sync::Arc, time::Duration};

use navarch_host::Moment;
use openraft::{
    ChangeMembers, Precondition,
    async_runtime::watch::WatchReceiver as _,
    errors::{ChangeMembershipError, ClientWriteError, RaftError},
    raft::ClientWriteResponse,
};
use tokio::sync::{Mutex, oneshot};

use crate::{
    config::is_loopback,
    context::{Context, GroupIdentity, Running, index_of},
    formation,
    leadership::hand_over,
    proposer::Proposer,
    replica_error::MembershipError,
    replica_id::ReplicaId,
    transport::say_hello,
    types::{ReplicaInfo, StoredMembership, TypeConfig},
};

/// Ids of replicas that are added start above those of the initial replicas.
pub(crate) const FIRST_ADDED_ID: u64 = crate::config::MAX_INITIAL_REPLICAS as u64 + 1;
/// A learner this close behind catches up within one batch, while the change of the membership commits.
const CAUGHT_UP_ENTRIES: u64 = 256;
/// Between two looks at how far a learner is.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A change of voters takes milliseconds; one that is half done this long was left by a former leader.
const SETTLE_AFTER: Duration = Duration::from_secs(2);

type WriteResult =
    Result<ClientWriteResponse<TypeConfig>, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>;

/// Changes who is in the group, one change at a time; on the leader only.
pub(crate) struct Membership {
    context: Arc<Context>,
    proposer: Arc<Proposer>,
    one_at_a_time: Mutex<()>,
}

impl Membership {
    pub(crate) fn new(context: Arc<Context>, proposer: Arc<Proposer>) -> Self {
        Self { context, proposer, one_at_a_time: Mutex::new(()) }
    }

    /// Adds the waiting replica `name` at `address` as a learner, under an id that was never used. Safe to
    /// repeat.
    pub(crate) async fn add_learner(
        &self,
        name: &str,
        address: &str,
        deadline: Moment,
    ) -> Result<ReplicaId, MembershipError> {
        let running = self.leading()?;
        let _turn = self.turn(deadline).await?;
        let (id, info) = self.candidate(running, name, address).await?;
        let id = match id {
            Some(id) => id,
            None => {
                // Each change follows on a membership of its own, whose index no other change can have
                // followed on: so no id comes twice.
                let stored = stored(running);
                let id = index_of(&stored) + FIRST_ADDED_ID;
                let change = ChangeMembers::AddNodes([(id, info.clone())].into());
                self.change(&stored, change, deadline).await?;
                id
            }
        };
        let identity =
            GroupIdentity { cluster_id: running.identity.cluster_id.clone(), replica_id: id };
        formation::invite(&self.context, &identity, &info).await.map_err(|reason| {
            MembershipError::Unreachable {
                name: name.to_owned(),
                address: address.to_owned(),
                reason: format!(
                    "it is replica {id} of the group now, but was not told: {reason}; repeat this"
                ),
            }
        })?;
        Ok(ReplicaId(id))
    }

    /// Makes learner `id` a voter, once it has caught up. Safe to repeat.
    pub(crate) async fn promote(
        &self,
        id: ReplicaId,
        deadline: Moment,
    ) -> Result<(), MembershipError> {
        let running = self.leading()?;
        let _turn = self.turn(deadline).await?;
        let stored = stored(running);
        if stored.get_node(&id.0).is_none() {
            return Err(MembershipError::NotFound { id });
        }
        if is_settled_voter(&stored, id.0) {
            return Ok(());
        }
        self.wait_caught_up(running, id, deadline).await?;
        let change = ChangeMembers::AddVoterIds([id.0].into());
        self.change(&stored, change, deadline).await
    }

    /// Removes replica `id`, voter or learner. A leader that is to go hands over first and answers
    /// [`MembershipError::NotLeader`]: the new leader removes it.
    pub(crate) async fn remove(
        &self,
        id: ReplicaId,
        deadline: Moment,
    ) -> Result<(), MembershipError> {
        let running = self.leading()?;
        let turn = self.turn(deadline).await?;
        let stored = stored(running);
        if stored.get_node(&id.0).is_none() {
            return Err(MembershipError::NotFound { id });
        }
        let voters: BTreeSet<u64> = stored.voter_ids().collect();
        if voters.len() == 1 && voters.contains(&id.0) {
            return Err(MembershipError::LastVoter { id });
        }
        if id.0 == running.identity.replica_id {
            drop(turn);
            let leader = self.transfer_leader(None, deadline).await?;
            return Err(MembershipError::NotLeader { leader: Some(leader) });
        }
        let change = match voters.contains(&id.0) {
            true => ChangeMembers::RemoveVoters([id.0].into()),
            false => ChangeMembers::RemoveNodes([id.0].into()),
        };
        self.change(&stored, change, deadline).await
    }

    /// Hands leadership to `to`, or to the voter that is most up to date: the new leader.
    pub(crate) async fn transfer_leader(
        &self,
        to: Option<ReplicaId>,
        deadline: Moment,
    ) -> Result<ReplicaId, MembershipError> {
        self.leading()?;
        let _turn = self.turn(deadline).await?;
        hand_over(&self.context, &self.proposer, to, deadline).await
    }

    fn leading(&self) -> Result<&Running, MembershipError> {
        if self.context.stop.is_cancelled() {
            return Err(MembershipError::Stopping);
        }
        let leadership = *self.context.leadership.borrow();
        match self.context.running() {
            Some(running) if leadership.local => Ok(running),
            _ => Err(MembershipError::NotLeader { leader: leadership.leader }),
        }
    }

    async fn turn(
        &self,
        deadline: Moment,
    ) -> Result<tokio::sync::MutexGuard<'_, ()>, MembershipError> {
        let turn = self.one_at_a_time.lock();
        let turn = self.context.clock.timeout_at(deadline, turn).await;
        turn.map_err(|_| MembershipError::InProgress)
    }

    /// Who answers at `address`, as the membership would name it, and its id if the group has it already.
    async fn candidate(
        &self,
        running: &Running,
        name: &str,
        address: &str,
    ) -> Result<(Option<u64>, ReplicaInfo), MembershipError> {
        let refused = |reason: String| MembershipError::Refused {
            name: name.to_owned(),
            address: address.to_owned(),
            reason,
        };
        if self.context.config.tls.is_none() && !is_loopback(address) {
            return Err(refused(
                "this group talks in clear text, which stays on loopback; set TLS files on every replica first"
                    .to_owned(),
            ));
        }
        let hello = say_hello(&self.context, address).await.map_err(|reason| {
            MembershipError::Unreachable {
                name: name.to_owned(),
                address: address.to_owned(),
                reason,
            }
        })?;
        if hello.name != name {
            return Err(refused(format!("the replica there calls itself {:?}", hello.name)));
        }
        let identity = hello.identity.unwrap_or_default();
        let stored = stored(running);
        let mut known = stored.nodes();
        let own_entry = known.find(|(_, info)| info.store_id == identity.store_id);
        let info = ReplicaInfo {
            name: name.to_owned(),
            address: address.to_owned(),
            public_address: hello.public_address,
            store_id: identity.store_id,
        };
        if let Some((&id, _)) = own_entry {
            return Ok((Some(id), info));
        }
        if hello.formed {
            return Err(refused(format!(
                "it belongs to cluster {} already; empty its data directory if it is to leave that one",
                identity.cluster_id
            )));
        }
        for (id, other) in stored.nodes() {
            if other.name == name || other.address == address {
                return Err(refused(format!(
                    "replica {id} of the group has that name or address with another store; if its data is lost, remove it first: navarch replica remove {id}"
                )));
            }
        }
        Ok((None, info))
    }

    async fn wait_caught_up(
        &self,
        running: &Running,
        id: ReplicaId,
        deadline: Moment,
    ) -> Result<(), MembershipError> {
        // It must have the entry that named it: one that answers nothing yet is close behind a short log, too.
        let named_at = index_of(&stored(running));
        let mut lag = u64::MAX;
        let caught_up = async {
            loop {
                if let Some(progress) = progress_of(running, id.0) {
                    lag = progress.lag;
                    if lag <= CAUGHT_UP_ENTRIES && progress.matched >= Some(named_at) {
                        return Ok(());
                    }
                }
                self.leading()?;
                self.context.clock.sleep(LOOK_AGAIN).await;
            }
        };
        match self.context.clock.timeout_at(deadline, caught_up).await {
            Ok(result) => result,
            Err(_) => Err(MembershipError::Behind { id, lag }),
        }
    }

    /// Carries out `change` if the membership is still `stored`. It goes on when the caller gives up: a change of
    /// voters has two steps, and must not stop after the first.
    async fn change(
        &self,
        stored: &StoredMembership,
        change: ChangeMembers<u64, ReplicaInfo>,
        deadline: Moment,
    ) -> Result<(), MembershipError> {
        let last_membership_log_id = *stored.log_id();
        let (done, changed) = oneshot::channel();
        let context = Arc::clone(&self.context);
        self.context.raft_tasks.spawn("membership change", async move {
            let Some(running) = context.running() else {
                return;
            };
            let unchanged = Precondition::LastMembershipLogId { last_membership_log_id };
            // A removed voter leaves altogether; it does not stay as a learner.
            let keep_removed = false;
            let result = running.raft.change_membership_if(change, keep_removed, [unchanged]);
            tokio::select! {
                () = context.stop.cancelled() => {}
                // Nobody may wait for the answer any more.
                result = result => drop(done.send(outcome(result))),
            }
        });
        match self.context.clock.timeout_at(deadline, changed).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(MembershipError::Stopping),
            Err(_) => Err(MembershipError::Unknown {
                reason: "it was not agreed on within the deadline".to_owned(),
            }),
        }
    }

    /// Finishes a change of voters that its leader did not live to finish.
    pub(crate) async fn settle_changes(self: Arc<Self>) {
        let context = Arc::clone(&self.context);
        loop {
            tokio::select! {
                () = context.stop.cancelled() => return,
                () = context.clock.sleep(SETTLE_AFTER) => {}
            }
            let Ok(running) = self.leading() else {
                continue;
            };
            let agreed =
                running.raft.server_metrics().borrow_watched().committed_membership_config.clone();
            let Ok(_turn) = self.one_at_a_time.try_lock() else {
                continue;
            };
            if agreed.get_joint_config().len() > 1 {
                let nothing_more = ChangeMembers::AddVoterIds(BTreeSet::new());
                let deadline = context.clock.now() + SETTLE_AFTER;
                let settled = self.change(&agreed, nothing_more, deadline).await;
                tracing::info!(?settled, "finish a change of voters");
            }
        }
    }
}

/// The newest membership, agreed on or not.
fn stored(running: &Running) -> Arc<StoredMembership> {
    let metrics = running.raft.server_metrics();
    metrics.borrow_watched().membership_config.clone()
}

/// How far a replica is, as the leader knows it.
struct Progress {
    matched: Option<u64>,
    lag: u64,
}

fn progress_of(running: &Running, id: u64) -> Option<Progress> {
    let metrics = running.raft.metrics();
    let metrics = metrics.borrow_watched();
    let matched = metrics.replication.as_ref()?.get(&id)?.map(|matched| matched.index);
    let after = |index: Option<u64>| index.map_or(0, |index| index + 1);
    Some(Progress { matched, lag: after(metrics.last_log_index).saturating_sub(after(matched)) })
}

fn is_settled_voter(stored: &StoredMembership, id: u64) -> bool {
    let sets = stored.get_joint_config();
    sets.len() == 1 && sets.iter().all(|set| set.contains(&id))
}

fn outcome(result: WriteResult) -> Result<(), MembershipError> {
    let error = match result {
        Ok(_) => return Ok(()),
        Err(RaftError::Fatal(_)) => return Err(MembershipError::Stopping),
        Err(RaftError::APIError(error)) => error,
    };
    Err(match error {
        ClientWriteError::ForwardToLeader(forward) => {
            MembershipError::NotLeader { leader: forward.leader_id.map(ReplicaId) }
        }
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)) => {
            MembershipError::InProgress
        }
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::LearnerNotFound(found)) => {
            MembershipError::NotFound { id: ReplicaId(found.node_id) }
        }
        ClientWriteError::PreconditionFailed(_) => MembershipError::InProgress,
        ClientWriteError::LogEntryDiscarded(_) | ClientWriteError::ChangeMembershipError(_) => {
            MembershipError::Unknown { reason: error.to_string() }
        }
    })
}
