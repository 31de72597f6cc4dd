use std::{io, path::PathBuf};

use crate::{error::StoreError, replica_id::ReplicaId};

/// Why a replica did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("invalid cluster configuration: {0}")]
    Config(String),
    /// Another process listens there.
    #[error(
        "cannot listen for peers on {address}: {source}; stop the process that has the port, or set another address"
    )]
    Listen {
        /// The configured listen address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("TLS of the peer port: {0}")]
    Tls(#[from] crate::tls::TlsError),
    /// Peers would talk in clear text over a network.
    #[error(
        "peers would talk in clear text: {address} is not a loopback address; make certificates with `navarch tls init` and set the cluster's TLS files, or use loopback addresses only"
    )]
    PlaintextOffLoopback {
        /// The first address that is not on loopback.
        address: String,
    },
    /// The data directory cannot be read or written.
    #[error("data directory {path}: {source}")]
    DataDir {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory belongs to another replica, or its files contradict each other.
    #[error("data directory {path} cannot be used: {reason}")]
    WrongData {
        /// The data directory.
        path: PathBuf,
        /// What does not fit, and what to do.
        reason: String,
    },
    /// The log or the snapshots do not open.
    #[error(transparent)]
    Storage(#[from] StoreError),
    /// `bootstrap` is set but the group must not be formed.
    #[error("bootstrap refused: {0}")]
    Bootstrap(String),
    /// A thread or runtime did not start.
    #[error("cannot start {what}: {source}")]
    Runtime {
        /// Which thread or runtime.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Raft stopped while it started.
    #[error("Raft did not start: {0}")]
    Raft(String),
    /// The start was given up from outside.
    #[error("the start was cancelled")]
    Cancelled,
}

/// Why a proposal has no answer. Only [`ProposeError::Unknown`] leaves open whether it takes effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This replica does not lead; nothing was proposed.
    #[error("not the leader; {}", describe_leader(.leader))]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<ReplicaId>,
    },
    /// The proposal may or may not take effect; repeat it only under the same request id.
    #[error("it is unknown whether the proposal takes effect: {reason}")]
    Unknown {
        /// What cut the answer off.
        reason: String,
    },
    /// Too many proposals wait; nothing was proposed.
    #[error("{limit} proposals wait already; try again later")]
    Overloaded {
        /// The bound of the queue.
        limit: usize,
    },
    /// Nothing was proposed.
    #[error("a proposal of {bytes} bytes is over the limit of {limit} bytes; make it smaller")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// This replica is shutting down, was removed, or failed; nothing was proposed.
    #[error("this replica is stopping")]
    Stopping,
}

/// Why no snapshot was handed out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It belongs to no group yet.
    #[error("this replica belongs to no group yet; ask another")]
    NotFormed,
    /// Each takes disk and processor time.
    #[error(
        "another snapshot is being handed out; try again when it is done, or ask another replica"
    )]
    Busy,
    /// The state machine did not answer in time.
    #[error("the state was not handed out in time; try again, or ask another replica")]
    Late,
    /// It could not be written beside the replica's own snapshots, or not read back.
    #[error("the snapshot could not be written: {0}")]
    Store(#[from] StoreError),
    /// This replica is shutting down or was removed.
    #[error("this replica is stopping")]
    Stopping,
}

/// Why a read cannot be served up to date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader confirmed a read index before the deadline.
    #[error("no leader confirmed the read in time: {reason}")]
    NoLeader {
        /// The last thing that went wrong.
        reason: String,
    },
    /// The read index is known, but this replica has not applied it before the deadline.
    #[error("this replica has not applied index {index} in time")]
    Behind {
        /// What it must apply.
        index: u64,
    },
    /// Too many reads wait.
    #[error("{limit} reads wait already; try again later")]
    Overloaded {
        /// The bound of the queue.
        limit: usize,
    },
    /// This replica is shutting down, was removed, or failed.
    #[error("this replica is stopping")]
    Stopping,
}

/// Why a relayed call has no answer. Only [`RelayError::Unknown`] leaves open whether it was carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// No leader was known before the deadline.
    #[error("no leader is known")]
    NoLeader,
    /// The call never left this replica.
    #[error("the call did not reach the leader: {reason}")]
    NotSent {
        /// What prevented it.
        reason: String,
    },
    /// The call met a replica that does not lead, and was not carried out.
    #[error("the replica that was taken for the leader does not lead")]
    NotLeader,
    /// Too many calls wait; this one was not sent.
    #[error("{limit} relayed calls wait already; try again later")]
    Overloaded {
        /// The bound of the queue.
        limit: usize,
    },
    /// The call was sent, and its answer is lost.
    #[error("the call was sent but not answered: {reason}")]
    Unknown {
        /// What cut the answer off.
        reason: String,
    },
    /// This replica is shutting down, was removed, or failed.
    #[error("this replica is stopping")]
    Stopping,
}

/// Why the group's membership, or its leader, was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// Only the leader changes the membership.
    #[error("not the leader; {}", describe_leader(.leader))]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<ReplicaId>,
    },
    /// The replica to add does not answer.
    #[error("replica {name:?} does not answer at {address}: {reason}; start it first")]
    Unreachable {
        /// Its name.
        name: String,
        /// Its peer address.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// What answers there cannot be added.
    #[error("replica {name:?} at {address} cannot be added: {reason}")]
    Refused {
        /// Its name.
        name: String,
        /// Its peer address.
        address: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The membership does not name it.
    #[error("no replica {id} in the group")]
    NotFound {
        /// The id asked for.
        id: ReplicaId,
    },
    /// It would leave the group without voters.
    #[error("replica {id} is the only voter; promote another one first")]
    LastVoter {
        /// The id asked for.
        id: ReplicaId,
    },
    /// It does not catch up.
    #[error("replica {id} is {lag} entries behind and did not catch up in time; try again later")]
    Behind {
        /// The id asked for.
        id: ReplicaId,
        /// Entries that it lacks.
        lag: u64,
    },
    /// Another change is under way.
    #[error("another change of the membership is under way; try again later")]
    InProgress,
    /// The target of a transfer is no other voter.
    #[error("leadership cannot go to replica {id}: {reason}")]
    BadTarget {
        /// The id asked for.
        id: ReplicaId,
        /// Why.
        reason: String,
    },
    /// The change may or may not take effect; it is safe to repeat.
    #[error("it is unknown whether the change takes effect: {reason}; it is safe to repeat")]
    Unknown {
        /// What cut the answer off.
        reason: String,
    },
    /// This replica is shutting down, was removed, or failed.
    #[error("this replica is stopping")]
    Stopping,
}

fn describe_leader(leader: &Option<ReplicaId>) -> String {
    match leader {
        Some(id) => format!("replica {id} leads"),
        None => "no leader is known".to_owned(),
    }
}
