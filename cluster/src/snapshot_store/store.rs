use std::{
    cmp::Reverse,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use navarch_host::Spawner;
use openraft::vote::RaftLeaderId as _;

use super::{build::write_snapshot, file::SnapshotFile, header::Header, receive::SnapshotReceiver};
use crate::{
    directory::{IdentityFile, create_directory},
    error::StoreError,
    state_machine::Image,
    types::{LeaderId, LogId, SnapshotMeta},
};

const PREFIX: &str = "snapshot-";
const TEMPORARY_SUFFIX: &str = ".tmp";
/// The newest, and the one before it.
const SNAPSHOTS_KEPT: usize = 2;

/// The snapshots of one replica.
#[derive(Debug)]
pub(crate) struct SnapshotStore {
    directory: PathBuf,
    identity: Arc<IdentityFile>,
    newest: Mutex<Option<SnapshotFile>>,
    /// One adoption at a time; apart from `newest`, so that nobody who asks for that one waits for the disk.
    adopting: Mutex<()>,
    /// Makes temporary names differ.
    temporaries: AtomicU64,
}

impl SnapshotStore {
    /// Opens or creates the directory, clears what was left half-written, and verifies the newest snapshot.
    /// Blocks for as long as reading it takes.
    pub(crate) fn open(
        data_directory: &Path,
        identity: Arc<IdentityFile>,
    ) -> Result<Self, StoreError> {
        let directory = data_directory.join("snapshots");
        create_directory(&directory)?;
        for path in list(&directory)? {
            if path.to_string_lossy().ends_with(TEMPORARY_SUFFIX) {
                fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        let newest = match complete(&directory)?.first() {
            Some((_, path)) => Some(SnapshotFile::verify(path, false)?),
            None => None,
        };
        if let (Some(snapshot), Some(expected)) = (&newest, identity.get().cluster_id)
            && snapshot.cluster_id() != expected
        {
            return Err(StoreError::OtherCluster {
                directory,
                found: snapshot.cluster_id().to_owned(),
                expected,
            });
        }
        Ok(Self {
            directory,
            identity,
            newest: Mutex::new(newest),
            adopting: Mutex::new(()),
            temporaries: AtomicU64::new(0),
        })
    }

    /// The snapshot that covers the most.
    pub(crate) fn newest(&self) -> Option<SnapshotFile> {
        self.lock().clone()
    }

    /// Writes `image` as the snapshot of everything up to `meta`. Blocks for as long as that takes.
    pub(crate) fn build(
        &self,
        meta: SnapshotMeta,
        image: &dyn Image,
    ) -> Result<SnapshotFile, StoreError> {
        let snapshot = self.write_apart(meta, image)?;
        self.adopt(&snapshot)?;
        Ok(snapshot)
    }

    /// Writes `image` as a file that is none of the replica's own: it goes with its last handle. Blocks for as
    /// long as that takes.
    pub(crate) fn write_apart(
        &self,
        meta: SnapshotMeta,
        image: &dyn Image,
    ) -> Result<SnapshotFile, StoreError> {
        let path = self.temporary_path();
        let cluster_id = self.identity.get().cluster_id.unwrap_or_default();
        let header = Header::open(meta, cluster_id, image.feature_level());
        let written =
            write_snapshot(&path, header, image).and_then(|()| SnapshotFile::verify(&path, true));
        if written.is_err() {
            // The next start removes what cannot be removed now.
            let _ = fs::remove_file(&path);
        }
        written
    }

    /// Begins to take a snapshot from the leader.
    pub(crate) fn receive(&self, spawner: &dyn Spawner) -> Result<SnapshotReceiver, StoreError> {
        let cluster_id = self.identity.get().cluster_id;
        SnapshotReceiver::start(self.temporary_path(), cluster_id, spawner)
    }

    /// Makes `snapshot` one of the replica's own, durably, and removes those that it makes needless. Blocks.
    pub(crate) fn adopt(&self, snapshot: &SnapshotFile) -> Result<(), StoreError> {
        let _adopting = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        if snapshot.is_temporary() {
            snapshot.rename(&self.final_path(snapshot.meta()))?;
        }
        self.show(snapshot);
        for (_, path) in complete(&self.directory)?.into_iter().skip(SNAPSHOTS_KEPT) {
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }

    /// Makes `snapshot` the newest, unless a newer one came first.
    fn show(&self, snapshot: &SnapshotFile) {
        let mut newest = self.lock();
        let covered = newest.as_ref().map(|newest| newest.meta().last_log_id);
        if covered <= Some(snapshot.meta().last_log_id) {
            *newest = Some(snapshot.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<SnapshotFile>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn temporary_path(&self) -> PathBuf {
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        self.directory.join(format!("{number}{TEMPORARY_SUFFIX}"))
    }

    fn final_path(&self, meta: &SnapshotMeta) -> PathBuf {
        let name = match meta.last_log_id {
            Some(LogId { leader_id, index }) => {
                format!("{PREFIX}{index:020}-{}-{}", leader_id.term, leader_id.node_id)
            }
            None => format!("{PREFIX}{:020}-0-0", 0),
        };
        self.directory.join(name)
    }
}

/// All complete snapshots, the newest first.
fn complete(directory: &Path) -> Result<Vec<(LogId, PathBuf)>, StoreError> {
    let paths = list(directory)?.into_iter();
    let mut found: Vec<_> = paths.filter_map(|path| Some((parse_name(&path)?, path))).collect();
    found.sort_by_key(|(log_id, _)| Reverse(*log_id));
    Ok(found)
}

fn parse_name(path: &Path) -> Option<LogId> {
    let name = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let mut numbers = name.split('-').map(str::parse::<u64>);
    let (index, term, leader) =
        (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    let log_id = LogId::new(LeaderId::new(term, leader), index);
    numbers.next().is_none().then_some(log_id)
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(directory).map_err(StoreError::io("list", directory))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<io::Result<_>>().map_err(StoreError::io("list", directory))
}
