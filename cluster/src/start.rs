use std::sync::Arc;

use navarch_host::{Spawner, TaskHandle};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{
    config::{ReplicaConfig, StorageKind},
    context::{Context, ContextParts, StopReason},
    directory::Expected,
    export::Exporter,
    formation::PlanFile,
    log_store::{SledOptions, StoreHost},
    membership::Membership,
    proposer::Proposer,
    raft_start::Admission,
    read_index::ReadIndexer,
    relay::RelayClient,
    replica::ReplicaParts,
    replica_error::StartError,
    storage::{LogEngine, Storage},
    tls::PeerTls,
    transport::{Channels, Inbox, PeerPort, PeerPortService},
};

/// Invitations that wait to be answered; there is one leader to send them.
const INVITATIONS: usize = 4;

/// What answers the callers of a replica.
pub(crate) struct Services {
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) reads: Arc<ReadIndexer>,
    pub(crate) relay: RelayClient,
    pub(crate) membership: Arc<Membership>,
    pub(crate) exporter: Exporter,
}

impl Services {
    fn start(context: &Arc<Context>) -> Self {
        let proposer = Arc::new(Proposer::start(Arc::clone(context)));
        Self {
            reads: Arc::new(ReadIndexer::start(Arc::clone(context))),
            relay: RelayClient::start(Arc::clone(context)),
            exporter: Exporter::new(Arc::clone(context)),
            membership: Arc::new(Membership::new(Arc::clone(context), Arc::clone(&proposer))),
            proposer,
        }
    }
}

/// What must be closed at the end.
pub(crate) struct Started {
    storage: Storage,
    port: Mutex<Option<TaskHandle>>,
}

impl Started {
    /// Closes everything after the stop was given.
    pub(crate) async fn finish(&self, context: &Context) {
        let limit = context.config.timings.hand_over;
        if let Some(running) = context.running() {
            let stopped = context.clock.timeout(limit, running.raft.shutdown()).await;
            if stopped.is_err() {
                tracing::warn!("Raft did not stop in time");
            }
        }
        if let Some(port) = self.port.lock().await.take() {
            let abort = port.abort_handle();
            if context.clock.timeout(limit, port.join()).await.is_err() {
                abort.abort();
            }
        }
        context.channels.clear();
        if let Err(error) = self.storage.log.close().await {
            tracing::warn!(%error, "the log was not closed in order");
        }
    }
}

/// Brings a replica up on a runtime of its own.
pub(crate) async fn start(
    config: ReplicaConfig,
    parts: ReplicaParts,
) -> Result<(Arc<Context>, Services, Started), StartError> {
    let config = config.validated()?;
    let tls = config.tls.as_ref().map(PeerTls::load).transpose()?;
    let raft_tasks = parts
        .spawner
        .runtime("raft")
        .map_err(|source| StartError::Runtime { what: "the Raft runtime", source })?;
    let (done, started) = oneshot::channel();
    let tasks = Arc::clone(&raft_tasks);
    raft_tasks.spawn("start", async move {
        let started = start_here(config, parts, tls, tasks).await;
        if let Err(Ok((context, _, _))) = done.send(started) {
            context.stop_with(StopReason::Shutdown);
        }
    });
    started.await.unwrap_or(Err(StartError::Cancelled))
}

async fn start_here(
    config: ReplicaConfig,
    parts: ReplicaParts,
    tls: Option<PeerTls>,
    raft_tasks: Arc<dyn Spawner>,
) -> Result<(Arc<Context>, Services, Started), StartError> {
    // The port first: a second process on it must not touch the data.
    let port = PeerPort::bind(&*parts.network, &config.listen, tls.clone()).await?;
    let store_host = StoreHost {
        clock: parts.timers.clone(),
        spawner: Arc::clone(&raft_tasks),
        fatal: parts.fatal.clone(),
        syncs: Arc::default(),
    };
    let storage = Storage::open(
        config.data_dir.clone(),
        log_engine(&config.storage),
        Expected::default(),
        store_host.clone(),
    )
    .await?;
    let identity = storage.identity.get();
    let plans = PlanFile::new(&config.data_dir);
    let context = Arc::new(Context::new(ContextParts {
        config,
        store_id: identity.store_id.clone(),
        clock: parts.timers.clone(),
        callers_clock: parts.clock.clone(),
        raft_tasks,
        outer_tasks: Arc::clone(&parts.spawner),
        channels: Channels::new(parts.network, tls),
        syncs: store_host.syncs,
    }));
    let services = Services::start(&context);
    let (invitations, invited) = mpsc::channel(INVITATIONS);
    let inbox = Inbox::new(Arc::clone(&storage.snapshots), Arc::clone(&context.raft_tasks));
    let service = PeerPortService::new(
        Arc::clone(&context),
        Arc::clone(&services.reads),
        Arc::clone(&parts.relay_handler),
        invitations,
        inbox,
    );
    let serving = port.serve(Arc::new(service), context.stop.clone());
    let started = Started {
        storage: storage.clone(),
        port: Mutex::new(Some(context.raft_tasks.spawn("peer port", serving))),
    };
    let admission = Admission {
        context: Arc::clone(&context),
        storage,
        plans,
        state_machine: std::sync::Mutex::new(Some(parts.state_machine)),
        fatal: parts.fatal,
        membership: Arc::clone(&services.membership),
    };
    match admission.run(invited).await {
        Ok(()) => Ok((context, services, started)),
        Err(error) => {
            context.stop_with(StopReason::NotFormed(error.to_string()));
            started.finish(&context).await;
            Err(error)
        }
    }
}

fn log_engine(storage: &StorageKind) -> LogEngine {
    match storage {
        StorageKind::Sled => LogEngine::Sled(SledOptions::default()),
        StorageKind::Memory(disk) => LogEngine::Memory(disk.clone()),
    }
}
