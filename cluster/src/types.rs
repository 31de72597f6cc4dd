use std::fmt;

use bytes::Bytes;
use openraft::{
    EntryPayload,
    alias::{EntryOf, LeaderIdOf, LogIdOf, SnapshotMetaOf, StoredMembershipOf, VoteOf},
};

openraft::declare_raft_types!(
    /// The types that this crate gives to openraft. A leader is named by term and replica, so that one
    /// term can see two leaders in turn: a bare term is no fence.
    pub(crate) TypeConfig:
        D = Payload,
        R = Answer,
        NodeId = u64,
        Node = ReplicaInfo,
);

/// A position in the log: its leader and its index.
pub(crate) type LogId = LogIdOf<TypeConfig>;
/// A leader: term and replica id.
pub(crate) type LeaderId = LeaderIdOf<TypeConfig>;
/// A vote cast, or won once committed.
pub(crate) type Vote = VoteOf<TypeConfig>;
/// One entry of the log.
pub(crate) type Entry = EntryOf<TypeConfig>;
/// What an entry carries.
pub(crate) type Carried = EntryPayload<Payload, u64, ReplicaInfo>;
/// Voters and learners.
pub(crate) type Membership = openraft::Membership<u64, ReplicaInfo>;
/// A membership and the entry that brought it.
pub(crate) type StoredMembership = StoredMembershipOf<TypeConfig>;
/// What a snapshot covers.
pub(crate) type SnapshotMeta = SnapshotMetaOf<TypeConfig>;

/// The opaque bytes of a proposal; cloning shares them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Payload(pub(crate) Bytes);

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Payload({} bytes)", self.0.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

/// The opaque bytes that apply answered; empty for entries that carry no proposal.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer(pub(crate) Bytes);

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Answer({} bytes)", self.0.len())
    }
}

/// What the membership says about a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplicaInfo {
    /// The operator's name for it.
    pub(crate) name: String,
    /// Where other replicas reach it, `HOST:PORT`.
    pub(crate) address: String,
    /// Where clients reach it, `HOST:PORT`.
    pub(crate) public_address: String,
    /// The only store that is heard under this replica id, so that a wiped replica cannot vote again.
    pub(crate) store_id: String,
}
