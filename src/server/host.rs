use std::sync::Arc;

use navarch_cluster::{FatalHook, Limits, StorageKind};
use navarch_host::{Clock, Network, Spawner, SystemNetwork, SystemSpawner};

/// What a replica stands on. A simulation brings its own; everybody else takes the machine's.
#[derive(Clone)]
pub struct Host {
    /// The fleet's time.
    pub clock: Clock,
    /// The time of connections, disks and peers.
    pub timers: Clock,
    /// Tasks, threads and runtimes.
    pub spawner: Arc<dyn Spawner>,
    /// How clients and peers reach it, and it its peers. Clouds, notifiers and metrics are reached over the
    /// machine's network whatever is given here.
    pub network: Arc<dyn Network>,
    /// Where the log is kept.
    pub storage: StorageKind,
    /// Bounds on what is held in memory and sent at once.
    pub limits: Limits,
    /// What happens at a fault that the replica must not survive.
    pub fatal: FatalHook,
}

impl Host {
    /// This machine. Within a tokio runtime only.
    pub fn system() -> Self {
        let timers = Clock::system();
        Self {
            clock: timers.clone(),
            timers,
            spawner: SystemSpawner::current(),
            network: SystemNetwork::shared(),
            storage: StorageKind::Sled,
            limits: Limits::default(),
            fatal: FatalHook::exit(),
        }
    }
}
