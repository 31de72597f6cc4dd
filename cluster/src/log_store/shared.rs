use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use navarch_host::Spawner;

use super::{
    cache::EntryCache,
    storage::{LogRead, StoredState},
};
use crate::{error::StoreError, types::Entry};

/// What openraft's tasks see of the log: everything accepted, durable or not.
pub(super) struct Shared {
    view: Mutex<View>,
    /// Absent once the log is closed, so that nothing keeps the engine open.
    disk: Mutex<Option<Arc<dyn LogRead>>>,
    /// Starts a thread for each read that must go to the disk; absent where reads do not block.
    spawner: Option<Arc<dyn Spawner>>,
}

/// The log as accepted so far.
pub(super) struct View {
    pub(super) state: StoredState,
    pub(super) cache: EntryCache,
    /// Truncations accepted and not yet carried out; while there are any, nothing is evicted.
    pub(super) pending_truncations: u64,
    /// Truncations ever accepted.
    pub(super) truncations: u64,
}

impl Shared {
    pub(super) fn new(
        state: StoredState,
        cache: EntryCache,
        disk: Arc<dyn LogRead>,
        spawner: Option<Arc<dyn Spawner>>,
    ) -> Self {
        Self {
            view: Mutex::new(View { state, cache, pending_truncations: 0, truncations: 0 }),
            disk: Mutex::new(Some(disk)),
            spawner,
        }
    }

    pub(super) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the engine.
    pub(super) fn close(&self) {
        *self.disk() = None;
    }

    fn disk(&self) -> MutexGuard<'_, Option<Arc<dyn LogRead>>> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what `wrap` makes of the disk in its place.
    #[cfg(test)]
    pub(super) fn wrap_disk(&self, wrap: impl FnOnce(Arc<dyn LogRead>) -> Arc<dyn LogRead>) {
        let mut disk = self.disk();
        *disk = disk.take().map(wrap);
    }

    /// Reads entries that are no longer in memory, away from the runtime.
    pub(super) async fn read_disk(
        &self,
        from: u64,
        to: u64,
        bytes_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let disk = self.disk().clone().ok_or(StoreError::Closed)?;
        let Some(spawner) = &self.spawner else {
            return disk.read(from, to, bytes_max);
        };
        let reading = spawner
            .on_thread("log-read", move || disk.read(from, to, bytes_max))
            .map_err(StoreError::io("start a thread to read", "the log"))?;
        reading.await.unwrap_or(Err(StoreError::Closed))
    }
}
