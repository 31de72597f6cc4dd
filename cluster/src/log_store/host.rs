use std::sync::Arc;

use navarch_host::{Clock, Spawner};

use super::sync_meter::SyncMeter;
use crate::fatal::FatalHook;

/// What a store is given by its replica.
#[derive(Clone)]
pub(crate) struct StoreHost {
    /// Tells how long syncs take.
    pub(crate) clock: Clock,
    /// Starts the storage thread, and threads that read.
    pub(crate) spawner: Arc<dyn Spawner>,
    /// What happens at a fault.
    pub(crate) fatal: FatalHook,
    /// Counts syncs.
    pub(crate) syncs: Arc<SyncMeter>,
}

#[cfg(test)]
impl StoreHost {
    /// The system's clock and threads.
    pub(crate) fn system(fatal: FatalHook) -> Self {
        Self {
            clock: Clock::system(),
            spawner: navarch_host::SystemSpawner::current(),
            fatal,
            syncs: Arc::default(),
        }
    }
}
