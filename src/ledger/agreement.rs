use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use navarch_cluster::{
    Applied, Leadership, MembershipError, ProposeError, ReadError, Replica, ReplicaId,
};
use navarch_host::Moment;
use tokio::sync::watch;

/// What the ledger and the leader need of agreement, and no more: a replica of a group, or
/// [`LocalGroup`](super::LocalGroup) where a test, a simulation or an embedding program wants none.
///
/// Whoever is answered by [`Agreement::propose`] can read what it wrote: the view is published before the
/// answer goes out.
#[async_trait]
pub trait Agreement: Send + Sync + 'static {
    /// Has the group agree on `payload`; on the leader only.
    async fn propose(&self, payload: Bytes, deadline: Moment) -> Result<Applied, ProposeError>;

    /// Returns once everything that was agreed on when the call came is applied here: the index up to which.
    async fn read_index(&self, deadline: Moment) -> Result<u64, ReadError>;

    /// Who leads.
    fn leadership(&self) -> watch::Receiver<Leadership>;

    /// Whether this replica leads and a quorum answered a message that it sent within `age`.
    fn quorum_acknowledged_within(&self, age: Duration) -> bool;

    /// The lower median of the wall clocks of a majority, in milliseconds since the Unix epoch.
    async fn majority_wall_clock(&self, deadline: Moment) -> Result<u64, ReadError>;

    /// Hands leadership to whichever other voter is most up to date; on the leader only. The new leader.
    async fn hand_over(&self, deadline: Moment) -> Result<ReplicaId, MembershipError>;
}

#[async_trait]
impl Agreement for Replica {
    async fn propose(&self, payload: Bytes, deadline: Moment) -> Result<Applied, ProposeError> {
        Replica::propose(self, payload, deadline).await
    }

    async fn read_index(&self, deadline: Moment) -> Result<u64, ReadError> {
        Replica::read_index(self, deadline).await
    }

    fn leadership(&self) -> watch::Receiver<Leadership> {
        Replica::leadership(self)
    }

    fn quorum_acknowledged_within(&self, age: Duration) -> bool {
        Replica::quorum_acknowledged_within(self, age)
    }

    async fn majority_wall_clock(&self, deadline: Moment) -> Result<u64, ReadError> {
        Replica::majority_wall_clock(self, deadline).await
    }

    async fn hand_over(&self, deadline: Moment) -> Result<ReplicaId, MembershipError> {
        self.transfer_leader(None, deadline).await
    }
}
