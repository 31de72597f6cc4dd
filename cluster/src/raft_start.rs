use std::sync::{Arc, Mutex, PoisonError};

use openraft::{Config, SnapshotPolicy};
use tokio::sync::mpsc;

use crate::{
    config::ReplicaConfig,
    context::{Context, GroupIdentity, Running, StopReason},
    fatal::FatalHook,
    formation::{self, Outcome, Plan, PlanFile},
    group::Group,
    leadership::watch_leadership,
    log_store::ENTRIES_KEPT_BEHIND_SNAPSHOT,
    membership::Membership,
    removal::watch_removal,
    replica_error::StartError,
    state_machine::{Applier, StateMachine},
    storage::Storage,
    transport::{JoinDecision, NetworkFactory},
};

/// Entries in one append to a follower; the log's reader also bounds its bytes.
const ENTRIES_PER_APPEND: u64 = 1_024;
/// Purged at once, so that no purge holds up the appends behind it for long.
const PURGE_BATCH: u64 = 256;
/// Replicas build their snapshots at different times: each id class waits this much longer.
const SNAPSHOT_STAGGER_CLASSES: u64 = 5;

/// Takes a replica from an open store into its group.
pub(crate) struct Admission {
    pub(crate) context: Arc<Context>,
    pub(crate) storage: Storage,
    pub(crate) plans: PlanFile,
    /// Until Raft takes it.
    pub(crate) state_machine: Mutex<Option<Box<dyn StateMachine>>>,
    pub(crate) fatal: FatalHook,
    pub(crate) membership: Arc<Membership>,
}

impl Admission {
    /// Returns once this replica's Raft runs, or, for one that belongs to no group and need not form one, at
    /// once: a task goes on to look for its group.
    pub(crate) async fn run(
        self,
        mut invitations: mpsc::Receiver<JoinDecision>,
    ) -> Result<(), StartError> {
        let identity = self.storage.identity.get();
        if let (Some(cluster_id), Some(replica_id)) = (identity.cluster_id, identity.replica_id) {
            let identity = GroupIdentity { cluster_id, replica_id };
            self.resume(identity).await?;
            self.answer_invitations(invitations);
            return Ok(());
        }
        if self.context.config.bootstrap {
            self.find_group(&mut invitations).await?;
            self.answer_invitations(invitations);
            return Ok(());
        }
        let tasks = Arc::clone(&self.context.raft_tasks);
        tasks.spawn("formation", async move {
            match self.find_group(&mut invitations).await {
                Ok(()) => self.answer_invitations(invitations),
                Err(error) => self.context.stop_with(StopReason::NotFormed(error.to_string())),
            }
        });
        Ok(())
    }

    async fn find_group(
        &self,
        invitations: &mut mpsc::Receiver<JoinDecision>,
    ) -> Result<(), StartError> {
        match formation::find_group(&self.context, &self.plans, invitations).await? {
            Outcome::Formed(plan) => {
                let identity = GroupIdentity {
                    cluster_id: plan.cluster_id.clone(),
                    replica_id: plan.own_id(),
                };
                self.claim(&identity)?;
                let raft = self.start_raft(&identity).await?;
                self.initialize(&raft, &plan).await?;
                self.set_running(identity, raft);
                Ok(())
            }
            Outcome::Joined(identity) => {
                self.claim(&identity)?;
                let raft = self.start_raft(&identity).await?;
                self.set_running(identity, raft);
                Ok(())
            }
            Outcome::Invited(JoinDecision { identity, answer }) => {
                self.claim(&identity)?;
                let raft = self.start_raft(&identity).await?;
                self.set_running(identity, raft);
                // The one that invited asks again if it did not hear.
                let _ = answer.send(Ok(()));
                Ok(())
            }
            Outcome::Stopped => Ok(()),
        }
    }

    /// Goes on as the replica that the store belongs to.
    async fn resume(&self, identity: GroupIdentity) -> Result<(), StartError> {
        let raft = self.start_raft(&identity).await?;
        self.check_name(&raft, &identity).await?;
        if let Some(plan) = self.plans.read()? {
            let initialized = raft.is_initialized().await.map_err(raft_error)?;
            let ours =
                plan.cluster_id == identity.cluster_id && plan.store_id == self.context.store_id;
            if !initialized && ours {
                self.initialize(&raft, &plan).await?;
            } else {
                self.plans.remove();
            }
        }
        self.set_running(identity, raft);
        Ok(())
    }

    /// A directory that was moved to another replica would make one replica speak for two.
    async fn check_name(&self, raft: &Group, identity: &GroupIdentity) -> Result<(), StartError> {
        let id = identity.replica_id;
        let named = raft.with_raft_state(move |state| {
            let info = state.membership_state.effective().get_node(&id);
            info.map(|info| info.name.clone())
        });
        let config = &self.context.config;
        match named.await.map_err(raft_error)? {
            Some(name) if name != config.name => {
                // What it has begun ends with it; the error says more than a failed end could.
                let _ = raft.shutdown().await;
                Err(StartError::WrongData {
                    path: config.data_dir.clone(),
                    reason: format!(
                        "it belongs to replica {name:?}, this is {:?}; give each replica its own directory",
                        config.name
                    ),
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn claim(&self, identity: &GroupIdentity) -> Result<(), StartError> {
        let claimed = self.storage.identity.claim(&identity.cluster_id, identity.replica_id);
        Ok(claimed?)
    }

    /// Tells the others, and gives the empty log its first membership. A replica that is killed in between
    /// comes back here by its plan.
    async fn initialize(&self, raft: &Group, plan: &Plan) -> Result<(), StartError> {
        formation::invite_all(&self.context, plan).await;
        raft.initialize(plan.members.clone()).await.map_err(raft_error)?;
        self.plans.remove();
        tracing::info!(cluster = %plan.cluster_id, replicas = plan.members.len(), "formed a group");
        Ok(())
    }

    async fn start_raft(&self, identity: &GroupIdentity) -> Result<Group, StartError> {
        let state_machine = self
            .state_machine
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or(StartError::Cancelled)?;
        let applier = Applier::new(
            state_machine,
            Arc::clone(&self.storage.snapshots),
            Arc::clone(&self.context.raft_tasks),
            self.fatal.clone(),
        );
        let config = raft_config(&self.context.config, identity)
            .validate()
            .map_err(|error| StartError::Config(error.to_string()))?;
        Group::new(
            identity.replica_id,
            Arc::new(config),
            NetworkFactory::new(Arc::clone(&self.context)),
            self.storage.log.clone(),
            applier,
        )
        .await
        .map_err(raft_error)
    }

    fn set_running(&self, identity: GroupIdentity, raft: Group) {
        let context = &self.context;
        tracing::info!(
            replica = %context.config.name,
            id = identity.replica_id,
            cluster = %identity.cluster_id,
            "belongs to a group"
        );
        context.set_running(Running { identity, raft });
        let tasks = &context.raft_tasks;
        tasks.spawn("leadership", watch_leadership(Arc::clone(context)));
        tasks.spawn("removal", watch_removal(Arc::clone(context)));
        tasks.spawn("membership", Arc::clone(&self.membership).settle_changes());
    }

    /// A replica that belongs to a group declines every other one, and confirms its own.
    fn answer_invitations(self, mut invitations: mpsc::Receiver<JoinDecision>) {
        let context = Arc::clone(&self.context);
        context.raft_tasks.spawn("invitations", async move {
            loop {
                let invitation = tokio::select! {
                    () = self.context.stop.cancelled() => return,
                    invitation = invitations.recv() => invitation,
                };
                let Some(JoinDecision { identity, answer }) = invitation else {
                    return;
                };
                let claimed = self.claim(&identity);
                let _ = answer.send(claimed.map_err(|error| error.to_string()));
            }
        });
    }
}

fn raft_config(config: &ReplicaConfig, identity: &GroupIdentity) -> Config {
    let millis =
        |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let timings = &config.timings;
    let every = config.limits.snapshot_every;
    let stagger =
        every / SNAPSHOT_STAGGER_CLASSES * (identity.replica_id % SNAPSHOT_STAGGER_CLASSES);
    Config {
        cluster_name: identity.cluster_id.clone(),
        heartbeat_interval: millis(timings.heartbeat),
        election_timeout_min: millis(timings.election_min),
        election_timeout_max: millis(timings.election_max),
        install_snapshot_timeout: millis(timings.snapshot_transfer),
        max_payload_entries: ENTRIES_PER_APPEND,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(every + stagger),
        max_in_snapshot_log_to_keep: ENTRIES_KEPT_BEHIND_SNAPSHOT,
        purge_batch_size: PURGE_BATCH,
        replication_lag_threshold: every,
        enable_pre_vote: Some(true),
        // A leader that comes back with a log it may not have applied must be elected again.
        enable_leader_restore: Some(false),
        // A leader that sends but hears nothing goes silent in turns, so that the others can replace it.
        quorum_loss_probe_interval: Some(millis(timings.election_max * 2)),
        // A replica that comes back should wait little; one that stays away should cost little.
        backoff: "20ms 40ms 80ms ...500ms".to_owned(),
        ..Config::default()
    }
}

fn raft_error(error: impl std::fmt::Display) -> StartError {
    StartError::Raft(error.to_string())
}
