use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use navarch_host::{Clock, Moment, Spawner};
use navarch_proto::peer;
use openraft::async_runtime::watch::WatchReceiver as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    config::ReplicaConfig,
    group::Group,
    leadership::Leadership,
    log_store::SyncMeter,
    replica_id::ReplicaId,
    transport::{Channels, VotersLogs},
    types::{ReplicaInfo, StoredMembership},
};

/// See [`Context::patience`].
const PATIENCE_LEASES: u32 = 3;

/// The group that this replica belongs to, and as which of its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupIdentity {
    pub(crate) cluster_id: String,
    pub(crate) replica_id: u64,
}

/// What is known once this replica belongs to a group and its Raft runs.
pub(crate) struct Running {
    pub(crate) identity: GroupIdentity,
    pub(crate) raft: Group,
}

/// What all parts of one replica share.
pub(crate) struct Context {
    pub(crate) config: ReplicaConfig,
    pub(crate) store_id: String,
    /// What waits here are measured by.
    pub(crate) clock: Clock,
    /// What callers' deadlines count on, and whose wall clock the group is told.
    pub(crate) callers_clock: Clock,
    /// Tasks of Raft, its transport and its timers.
    pub(crate) raft_tasks: Arc<dyn Spawner>,
    /// Tasks that may be slow: relayed calls.
    pub(crate) outer_tasks: Arc<dyn Spawner>,
    pub(crate) channels: Channels,
    /// Where the logs of those ended who voted for this replica.
    pub(crate) voters_logs: VotersLogs,
    /// Counts syncs of this replica's log.
    pub(crate) syncs: Arc<SyncMeter>,
    pub(crate) leadership: watch::Sender<Leadership>,
    /// Set while this leader hands over; nothing more is proposed in that term.
    pub(crate) handing_over: watch::Sender<bool>,
    pub(crate) stopped: watch::Sender<Option<StopReason>>,
    pub(crate) stop: CancellationToken,
    running: OnceLock<Running>,
    formed: watch::Sender<bool>,
    leader_heard: watch::Sender<Option<Moment>>,
}

/// Why a replica has stopped by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// It was told to.
    #[error("shut down")]
    Shutdown,
    /// The group no longer names it.
    #[error(
        "replica {id} was removed from the group; its data directory {data_dir} may be deleted, and its id is never used again"
    )]
    Removed {
        /// Its id in the group.
        id: ReplicaId,
        /// Its data directory.
        data_dir: String,
    },
    /// Its storage or its state machine failed.
    #[error("Raft stopped: {0}")]
    Failed(String),
    /// It was not admitted to a group for a reason that does not pass.
    #[error("{0}")]
    NotFormed(String),
}

/// The parts of a [`Context`] that differ between replicas.
pub(crate) struct ContextParts {
    pub(crate) config: ReplicaConfig,
    pub(crate) store_id: String,
    pub(crate) clock: Clock,
    pub(crate) callers_clock: Clock,
    pub(crate) raft_tasks: Arc<dyn Spawner>,
    pub(crate) outer_tasks: Arc<dyn Spawner>,
    pub(crate) channels: Channels,
    /// Counts syncs of this replica's log.
    pub(crate) syncs: Arc<SyncMeter>,
}

impl Context {
    pub(crate) fn new(parts: ContextParts) -> Self {
        Self {
            config: parts.config,
            store_id: parts.store_id,
            clock: parts.clock,
            callers_clock: parts.callers_clock,
            raft_tasks: parts.raft_tasks,
            outer_tasks: parts.outer_tasks,
            channels: parts.channels,
            voters_logs: VotersLogs::default(),
            syncs: parts.syncs,
            leadership: watch::Sender::new(Leadership::default()),
            handing_over: watch::Sender::new(false),
            stopped: watch::Sender::new(None),
            stop: CancellationToken::new(),
            running: OnceLock::new(),
            formed: watch::Sender::new(false),
            leader_heard: watch::Sender::new(None),
        }
    }

    /// A caller's deadline by the clock that waits here are measured by.
    pub(crate) fn own_deadline(&self, deadline: Moment) -> Moment {
        self.clock.now() + deadline.since(self.callers_clock.now())
    }

    /// A leader was heard just now.
    pub(crate) fn heard_leader(&self) {
        let now = self.clock.now();
        self.leader_heard.send_if_modified(|heard| {
            let silent = heard.is_none_or(|heard| now.since(heard) > self.lease());
            *heard = Some(now);
            silent
        });
    }

    /// Changes when a leader is heard after a silence of a lease.
    pub(crate) fn leader_returns(&self) -> watch::Receiver<Option<Moment>> {
        self.leader_heard.subscribe()
    }

    /// Since a leader was last heard.
    pub(crate) fn leader_contact(&self) -> Option<Duration> {
        let heard = *self.leader_heard.borrow();
        heard.map(|heard| self.clock.now().since(heard))
    }

    /// How long after its last quorum no other replica can lead.
    pub(crate) fn lease(&self) -> Duration {
        self.config.timings.election_max
    }

    /// For how long callers are held while nobody leads: several elections. Then they are told, for they may reach more than
    /// this replica does.
    pub(crate) fn patience(&self) -> Duration {
        self.lease() * PATIENCE_LEASES
    }

    pub(crate) fn running(&self) -> Option<&Running> {
        self.running.get()
    }

    /// Raft runs from now on; the first call counts.
    pub(crate) fn set_running(&self, running: Running) {
        let _ = self.running.set(running);
        self.formed.send_replace(true);
    }

    /// Turns true once Raft runs.
    pub(crate) fn formed(&self) -> watch::Receiver<bool> {
        self.formed.subscribe()
    }

    /// Ends everything; the first reason counts.
    pub(crate) fn stop_with(&self, reason: StopReason) {
        let first = self.stopped.send_if_modified(|stopped| match stopped {
            Some(_) => false,
            None => {
                *stopped = Some(reason.clone());
                true
            }
        });
        if first {
            match reason {
                StopReason::Shutdown => tracing::info!("replica stops"),
                StopReason::Removed { .. } | StopReason::Failed(_) | StopReason::NotFormed(_) => {
                    tracing::error!(%reason, "replica stops");
                }
            }
        }
        self.stop.cancel();
    }

    /// Who this replica is, as it tells others.
    pub(crate) fn identity(&self) -> peer::PeerIdentity {
        let group = self.running().map(|running| &running.identity);
        peer::PeerIdentity {
            cluster_id: group.map(|group| group.cluster_id.clone()).unwrap_or_default(),
            replica_id: group.map_or(0, |group| group.replica_id),
            store_id: self.store_id.clone(),
        }
    }

    /// The newest membership that this replica knows, agreed on or not.
    pub(crate) fn membership(&self) -> Option<Arc<StoredMembership>> {
        let metrics = self.running()?.raft.server_metrics();
        Some(metrics.borrow_watched().membership_config.clone())
    }

    /// The newest membership that is agreed on; before the first one is, the one the group starts from.
    pub(crate) fn agreed_membership(&self) -> Option<Arc<StoredMembership>> {
        let metrics = self.running()?.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let committed = &metrics.committed_membership_config;
        if committed.nodes().next().is_some() {
            return Some(Arc::clone(committed));
        }
        let first = &metrics.membership_config;
        let is_first = first.log_id().is_some_and(|log_id| log_id.index == 0);
        is_first.then(|| Arc::clone(first))
    }

    /// What the newest membership says about replica `id`.
    pub(crate) fn member(&self, id: u64) -> Option<ReplicaInfo> {
        self.membership()?.get_node(&id).cloned()
    }

    /// All other replicas of the newest membership.
    pub(crate) fn others(&self) -> BTreeMap<u64, ReplicaInfo> {
        let own_id = self.running().map(|running| running.identity.replica_id);
        let Some(membership) = self.membership() else {
            return BTreeMap::new();
        };
        membership
            .nodes()
            .filter(|&(&id, _)| Some(id) != own_id)
            .map(|(&id, info)| (id, info.clone()))
            .collect()
    }

    /// The envelope of a message to replica `to` with store `store_id`.
    pub(crate) fn envelope(&self, to: u64, store_id: &str) -> peer::Envelope {
        peer::Envelope {
            from: Some(self.identity()),
            to_replica_id: to,
            to_store_id: store_id.to_owned(),
            membership_index: self.membership().map_or(0, |stored| index_of(&stored)),
        }
    }

    /// Lets a message in, or says why not: the sender's id.
    pub(crate) fn admit(&self, envelope: Option<&peer::Envelope>) -> Result<u64, Status> {
        let running = self.running().ok_or_else(|| {
            Status::failed_precondition(format!(
                "replica {:?} with store {} belongs to no group",
                self.config.name, self.store_id
            ))
        })?;
        let envelope =
            envelope.ok_or_else(|| Status::invalid_argument("message without envelope"))?;
        // One that is not agreed on may never be: a leader that only it shuts out could not take it back.
        let stored = self.agreed_membership();
        let membership = stored.as_deref();
        let known = Known {
            identity: &running.identity,
            store_id: &self.store_id,
            membership_index: membership
                .and_then(|stored| stored.log_id().map(|log_id| log_id.index)),
        };
        known.admit(envelope, |id| {
            membership
                .and_then(|membership| membership.get_node(&id))
                .map(|info| info.store_id.as_str())
        })
    }
}

/// What decides whether a message is let in.
struct Known<'a> {
    identity: &'a GroupIdentity,
    store_id: &'a str,
    /// `None` before the first membership.
    membership_index: Option<u64>,
}

impl Known<'_> {
    /// `store_of` says which store the newest membership that is agreed on names for a replica.
    fn admit<'m>(
        &self,
        envelope: &peer::Envelope,
        store_of: impl Fn(u64) -> Option<&'m str>,
    ) -> Result<u64, Status> {
        let from = envelope.from.clone().unwrap_or_default();
        if from.cluster_id != self.identity.cluster_id {
            return Err(refuse(format!(
                "this is cluster {}, the message is from cluster {}",
                self.identity.cluster_id, from.cluster_id
            )));
        }
        if envelope.to_replica_id != self.identity.replica_id
            || envelope.to_store_id != self.store_id
        {
            return Err(refuse(format!(
                "this is replica {} with store {}, the message is for replica {} with store {}",
                self.identity.replica_id,
                self.store_id,
                envelope.to_replica_id,
                envelope.to_store_id
            )));
        }
        match store_of(from.replica_id) {
            Some(store_id) if store_id == from.store_id => Ok(from.replica_id),
            Some(store_id) => Err(refuse(format!(
                "replica {} has store {store_id} in this group, the message is from store {}; a replica that lost its data must be removed and added again",
                from.replica_id, from.store_id
            ))),
            // A replica that lags may hear first from one that was added since.
            None if self.membership_index.is_none_or(|own| envelope.membership_index > own) => {
                Ok(from.replica_id)
            }
            None => Err(refuse(format!(
                "replica {} with store {} is not in this group",
                from.replica_id, from.store_id
            ))),
        }
    }
}

pub(crate) fn index_of(stored: &StoredMembership) -> u64 {
    stored.log_id().map_or(0, |log_id| log_id.index)
}

fn refuse(message: String) -> Status {
    Status::failed_precondition(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(cluster_id: &str, from: (u64, &str), membership_index: u64) -> peer::Envelope {
        peer::Envelope {
            from: Some(peer::PeerIdentity {
                cluster_id: cluster_id.to_owned(),
                replica_id: from.0,
                store_id: from.1.to_owned(),
            }),
            to_replica_id: 1,
            to_store_id: "one".to_owned(),
            membership_index,
        }
    }

    /// Without it a replica that was removed, or that lost its store, would be heard; or one that lags could
    /// never catch up from a leader that was added since.
    #[test]
    fn who_is_heard() {
        let identity = GroupIdentity { cluster_id: "group".to_owned(), replica_id: 1 };
        let store_of = |id| (id == 2).then_some("two");
        let cases = [
            ("a member", Some(5), envelope("group", (2, "two"), 5), true),
            ("another store", Some(5), envelope("group", (2, "new"), 9), false),
            ("another group", Some(5), envelope("other", (2, "two"), 5), false),
            ("removed", Some(5), envelope("group", (3, "three"), 4), false),
            ("unknown to the same membership", Some(5), envelope("group", (3, "three"), 5), false),
            ("unknown to the first membership", Some(0), envelope("group", (3, "three"), 0), false),
            ("added since", Some(5), envelope("group", (14, "new"), 6), true),
            ("before the first membership", None, envelope("group", (14, "new"), 0), true),
        ];
        for (case, membership_index, envelope, heard) in cases {
            let known = Known { identity: &identity, store_id: "one", membership_index };
            assert_eq!(known.admit(&envelope, store_of).is_ok(), heard, "{case}");
        }
    }
}
