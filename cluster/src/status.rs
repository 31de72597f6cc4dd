use std::{fmt, time::Duration};

use openraft::{Instant as _, ServerState, async_runtime::watch::WatchReceiver as _};

use crate::{
    context::{Context, Running},
    log_store::LogSyncs,
    replica_id::ReplicaId,
};

/// The group as one replica sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupStatus {
    /// The group; `None` before this replica belongs to one.
    pub cluster_id: Option<String>,
    /// This replica in the group; `None` before it belongs to one.
    pub local: Option<ReplicaId>,
    /// This replica's name.
    pub name: String,
    /// This replica's store.
    pub store_id: String,
    /// The newest term it knows.
    pub term: u64,
    /// The leader, while one is known.
    pub leader: Option<ReplicaId>,
    /// Index of the last entry that is agreed on, as far as this replica knows.
    pub committed: u64,
    /// Index of the last entry that this replica has applied.
    pub applied: u64,
    /// Index of the last entry in this replica's log.
    pub last_log: u64,
    /// Index of the last entry that this replica's newest snapshot covers.
    pub snapshot: u64,
    /// Syncs of this replica's log since it started.
    pub log_syncs: LogSyncs,
    /// Since a leader was last heard; `None` on the leader, or if none was.
    pub leader_contact: Option<Duration>,
    /// All replicas of the newest membership, by id.
    pub replicas: Vec<ReplicaStatus>,
}

/// One replica of a group as another sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Its id.
    pub id: ReplicaId,
    /// Its name.
    pub name: String,
    /// Where other replicas reach it.
    pub address: String,
    /// Where clients reach it.
    pub public_address: String,
    /// Its store.
    pub store_id: String,
    /// What it does.
    pub role: Role,
    /// Whether it votes.
    pub voter: bool,
    /// The last entry it is known to hold; known to the leader, and to each replica of itself.
    pub matched: Option<u64>,
    /// Entries that it lacks; known to the leader.
    pub lag: Option<u64>,
    /// Since the leader last heard from it; known to the leader.
    pub last_contact: Option<Duration>,
}

/// What a replica does in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Orders the entries.
    Leader,
    /// Votes.
    Follower,
    /// Keeps the log without a vote.
    Learner,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Learner => "learner",
        })
    }
}

pub(crate) fn status(context: &Context) -> GroupStatus {
    let mut status = GroupStatus {
        name: context.config.name.clone(),
        store_id: context.store_id.clone(),
        log_syncs: context.syncs.read(),
        ..GroupStatus::default()
    };
    if let Some(running) = context.running() {
        fill(&mut status, context, running);
    }
    status
}

fn fill(status: &mut GroupStatus, context: &Context, running: &Running) {
    let metrics = running.raft.metrics();
    let metrics = metrics.borrow_watched().clone();
    let leadership = *context.leadership.borrow();
    let own_id = running.identity.replica_id;
    let last_log = metrics.last_log_index;
    status.cluster_id = Some(running.identity.cluster_id.clone());
    status.local = Some(ReplicaId(own_id));
    status.term = metrics.current_term;
    status.leader = leadership.leader;
    status.committed = metrics.local_committed.map_or(0, |log_id| log_id.index);
    status.applied = metrics.last_applied.map_or(0, |log_id| log_id.index);
    status.last_log = last_log.unwrap_or(0);
    status.snapshot = metrics.snapshot.map_or(0, |log_id| log_id.index);
    let leads = metrics.state == ServerState::Leader;
    status.leader_contact = context.leader_contact().filter(|_| !leads);
    let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
    for (&id, info) in metrics.membership_config.nodes() {
        let voter = voters.contains(&id);
        let role = match (leadership.leader == Some(ReplicaId(id)), voter) {
            (true, _) => Role::Leader,
            (false, true) => Role::Follower,
            (false, false) => Role::Learner,
        };
        let replicated = metrics.replication.as_ref().and_then(|all| all.get(&id));
        let matched = match id == own_id {
            true => last_log,
            false => replicated.and_then(|matched| matched.map(|log_id| log_id.index)),
        };
        let heard = metrics.heartbeat.as_ref().and_then(|all| all.get(&id).copied().flatten());
        let after = |index: Option<u64>| index.map_or(0, |index| index + 1);
        status.replicas.push(ReplicaStatus {
            id: ReplicaId(id),
            name: info.name.clone(),
            address: info.address.clone(),
            public_address: info.public_address.clone(),
            store_id: info.store_id.clone(),
            role,
            voter,
            matched,
            lag: leads.then(|| after(last_log).saturating_sub(after(matched))),
            last_contact: heard.filter(|_| id != own_id).map(|heard| heard.elapsed()),
        });
    }
}
