use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use navarch_host::Spawner;

use crate::{
    directory::{DirectoryLock, Expected, IdentityFile, create_directory},
    error::StoreError,
    log_store::{
        LogStorage as _, LogStore, MemoryDisk, SledLog, SledOptions, StoreHost, StoredState,
        start_task, start_writer,
    },
    snapshot_store::SnapshotStore,
};

/// Which engine keeps the log.
#[derive(Clone, Debug)]
pub(crate) enum LogEngine {
    Sled(SledOptions),
    /// For simulation: what is not synced is lost with the replica, the disk itself is not.
    Memory(MemoryDisk),
}

/// Everything that a replica keeps in its data directory, open and checked.
#[derive(Clone)]
pub(crate) struct Storage {
    pub(crate) identity: Arc<IdentityFile>,
    pub(crate) log: LogStore,
    pub(crate) snapshots: Arc<SnapshotStore>,
    _lock: Arc<DirectoryLock>,
}

impl Storage {
    /// Opens or creates `directory`. What was acknowledged is there and synced when this returns, or it is
    /// refused with the reason and what to do.
    pub(crate) async fn open(
        directory: PathBuf,
        engine: LogEngine,
        expected: Expected,
        host: StoreHost,
    ) -> Result<Self, StoreError> {
        let files = open_files(directory.clone(), expected, host.spawner.as_ref()).await?;
        let (lock, identity, snapshots) = files;
        let log = match engine {
            LogEngine::Sled(options) => {
                let covered = Arc::clone(&snapshots);
                let store_id = identity.get().store_id;
                let open = move || {
                    let (log, cache) = SledLog::open(&directory, &store_id, options, None)?;
                    check_coverage(&directory, &log.state(), &covered)?;
                    Ok((Box::new(log) as Box<_>, cache))
                };
                start_writer(host, Arc::clone(&lock), open).await?
            }
            LogEngine::Memory(disk) => start_task(host, disk),
        };
        Ok(Self { identity, log, snapshots, _lock: lock })
    }
}

type Files = (Arc<DirectoryLock>, Arc<IdentityFile>, Arc<SnapshotStore>);

/// Opens what is not the log; on a thread, since verifying a large snapshot takes long.
async fn open_files(
    directory: PathBuf,
    expected: Expected,
    spawner: &dyn Spawner,
) -> Result<Files, StoreError> {
    let open = move || {
        create_directory(&directory)?;
        let lock = DirectoryLock::acquire(&directory)?;
        let identity = Arc::new(IdentityFile::open(&directory, &expected)?);
        let snapshots = SnapshotStore::open(&directory, Arc::clone(&identity))?;
        Ok((Arc::new(lock), identity, Arc::new(snapshots)))
    };
    let opened = spawner.on_thread("open", open);
    let opened = opened.map_err(StoreError::io("start a thread to open", "the store"))?;
    opened.await.unwrap_or(Err(StoreError::Closed))
}

/// The log must begin where the newest snapshot ends, or before.
fn check_coverage(
    directory: &Path,
    log: &StoredState,
    snapshots: &SnapshotStore,
) -> Result<(), StoreError> {
    let covered = snapshots.newest().and_then(|newest| newest.meta().last_log_id);
    if log.purged <= covered {
        return Ok(());
    }
    let begins = log.first_index();
    let what = match covered {
        Some(covered) => format!(
            "the log begins at entry {begins}, but the newest snapshot ends at {}",
            covered.index
        ),
        None => format!("the log begins at entry {begins}, but there is no snapshot"),
    };
    Err(StoreError::damaged(directory, what))
}

#[cfg(test)]
#[path = "storage_test.rs"]
mod storage_test;
