use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::Stream;
use navarch_host::{Clock, Moment, Network, Spawner};
use tokio::sync::watch;

use crate::{
    config::ReplicaConfig,
    context::{Context, StopReason},
    export::Exporter,
    fatal::FatalHook,
    leadership::{Leadership, quorum_acknowledged_within},
    membership::Membership,
    proposer::{Applied, Proposer},
    read_index::ReadIndexer,
    relay::{RelayClient, RelayHandler},
    replica_error::{
        ExportError, MembershipError, ProposeError, ReadError, RelayError, StartError,
    },
    replica_id::ReplicaId,
    start::{self, Started},
    state_machine::StateMachine,
    status::{GroupStatus, status},
    wall_clock::majority_wall_clock,
};

/// What a replica is given by its host.
pub struct ReplicaParts {
    /// The state that the group agrees on, empty.
    pub state_machine: Box<dyn StateMachine>,
    /// Answers calls that other replicas relay to this one.
    pub relay_handler: Arc<dyn RelayHandler>,
    /// The callers' time: deadlines count on it, and its wall clock is what the group is told.
    pub clock: Clock,
    /// The group's own time, by which it waits for peers and disks. Raft's elections follow the system's time
    /// whatever is given here, so only a `clock` that somebody moves by hand is a reason for another one.
    pub timers: Clock,
    /// Where relayed calls are carried out; Raft gets a runtime of its own from it.
    pub spawner: Arc<dyn Spawner>,
    /// How peers are reached.
    pub network: Arc<dyn Network>,
    /// What happens at a fault that this replica must not survive.
    pub fatal: FatalHook,
}

/// One replica of a group; clones share it. Dropping the last one does not stop it: [`Replica::shutdown`] does.
#[derive(Clone)]
pub struct Replica {
    inner: Arc<Inner>,
}

struct Inner {
    context: Arc<Context>,
    proposer: Arc<Proposer>,
    reads: Arc<ReadIndexer>,
    relay: RelayClient,
    membership: Arc<Membership>,
    exporter: Exporter,
    started: Started,
}

impl Replica {
    /// Opens the data directory, listens for peers, and joins or forms a group. Returns once peers can reach
    /// this replica; it may not belong to a group yet, in which case it goes on to look for one. With
    /// `bootstrap` it returns once the group is formed.
    pub async fn start(config: ReplicaConfig, parts: ReplicaParts) -> Result<Self, StartError> {
        let (context, services, started) = start::start(config, parts).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                context,
                proposer: services.proposer,
                reads: services.reads,
                relay: services.relay,
                membership: services.membership,
                exporter: services.exporter,
                started,
            }),
        })
    }

    /// Has the group agree on `payload`, on the leader only: its log index, and what apply answered here.
    pub async fn propose(&self, payload: Bytes, deadline: Moment) -> Result<Applied, ProposeError> {
        let deadline = self.inner.context.own_deadline(deadline);
        self.inner.proposer.propose(payload, deadline).await
    }

    /// Returns once this replica, whichever it is, has applied all that was agreed on when the call came: the
    /// index up to which. Many calls share one round to a quorum.
    pub async fn read_index(&self, deadline: Moment) -> Result<u64, ReadError> {
        let deadline = self.inner.context.own_deadline(deadline);
        self.inner.reads.read(deadline).await
    }

    /// A snapshot of what this replica has applied, as the chunks of a file, for people: the replica keeps none
    /// of it. One at a time.
    pub async fn export_snapshot(
        &self,
        deadline: Moment,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, ExportError> {
        let deadline = self.inner.context.own_deadline(deadline);
        self.inner.exporter.export(deadline).await
    }

    /// Carries `body` to the leader's relay handler, one hop, and returns its answer.
    pub async fn relay(&self, body: Bytes, deadline: Moment) -> Result<Bytes, RelayError> {
        let deadline = self.inner.context.own_deadline(deadline);
        self.inner.relay.relay(body, deadline).await
    }

    /// Who leads. It turns to "not local" also when no quorum answered within the lease.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.context.leadership.subscribe()
    }

    /// Whether this replica leads and a quorum answered a message that it sent within `age`.
    pub fn quorum_acknowledged_within(&self, age: Duration) -> bool {
        let running = self.inner.context.running();
        running.is_some_and(|running| quorum_acknowledged_within(running, age))
    }

    /// The leader's lease: how long after its last quorum no other replica can lead.
    pub fn lease(&self) -> Duration {
        self.inner.context.lease()
    }

    /// For how long callers are held while nobody leads.
    pub fn patience(&self) -> Duration {
        self.inner.context.patience()
    }

    /// The group as this replica sees it.
    pub fn status(&self) -> GroupStatus {
        status(&self.inner.context)
    }

    /// Turns true once this replica belongs to a group.
    pub fn formed(&self) -> watch::Receiver<bool> {
        self.inner.context.formed()
    }

    /// Why this replica has stopped by itself, once it has.
    pub fn stopped(&self) -> watch::Receiver<Option<StopReason>> {
        self.inner.context.stopped.subscribe()
    }

    /// The lower median of the wall clocks of a majority of the voters, milliseconds since the Unix epoch.
    pub async fn majority_wall_clock(&self, deadline: Moment) -> Result<u64, ReadError> {
        let deadline = self.inner.context.own_deadline(deadline);
        majority_wall_clock(&self.inner.context, deadline).await
    }

    /// Adds the replica that waits at `address` under `name` as a learner; leader only, safe to repeat.
    pub async fn add_learner(
        &self,
        name: &str,
        address: &str,
        deadline: Moment,
    ) -> Result<ReplicaId, MembershipError> {
        let deadline = self.inner.context.own_deadline(deadline);
        self.inner.membership.add_learner(name, address, deadline).await
    }

    /// Makes a learner a voter once it has caught up; leader only, safe to repeat.
    pub async fn promote(&self, id: ReplicaId, deadline: Moment) -> Result<(), MembershipError> {
        let deadline = self.inner.context.own_deadline(deadline);
        self.inner.membership.promote(id, deadline).await
    }

    /// Removes a replica from the group; leader only. A leader asked to remove itself hands over and answers
    /// [`MembershipError::NotLeader`]; ask the new one.
    pub async fn remove(&self, id: ReplicaId, deadline: Moment) -> Result<(), MembershipError> {
        let deadline = self.inner.context.own_deadline(deadline);
        self.inner.membership.remove(id, deadline).await
    }

    /// Hands leadership to `to`, or to the voter that is most up to date; leader only. The new leader.
    pub async fn transfer_leader(
        &self,
        to: Option<ReplicaId>,
        deadline: Moment,
    ) -> Result<ReplicaId, MembershipError> {
        let deadline = self.inner.context.own_deadline(deadline);
        self.inner.membership.transfer_leader(to, deadline).await
    }

    /// Hands leadership over if this replica leads, then stops everything and closes the data directory.
    pub async fn shutdown(self) {
        let Inner { context, membership, started, .. } = self.inner.as_ref();
        let deadline = context.clock.now() + context.config.timings.hand_over;
        match membership.transfer_leader(None, deadline).await {
            Ok(leader) => tracing::info!(%leader, "handed over"),
            Err(MembershipError::NotLeader { .. } | MembershipError::Stopping) => {}
            Err(error) => tracing::info!(%error, "stops without handing over"),
        }
        context.stop_with(StopReason::Shutdown);
        started.finish(context).await;
    }
}
