use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    error::StoreError,
    replica_id::ReplicaId,
    snapshot_store::{SnapshotFile, begins_as_snapshot},
};

/// A snapshot that a person keeps. Every byte of the file was checked.
#[derive(Debug)]
pub struct SavedSnapshot {
    file: SnapshotFile,
}

/// What a snapshot's head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The format of the file.
    pub format_version: u32,
    /// The feature level whose proposals its state may hold.
    pub feature_level: u32,
    /// The group that it was taken from.
    pub group_id: String,
    /// The last log index that it holds.
    pub last_index: u64,
    /// The term of that entry.
    pub last_term: u64,
    /// The replica that led in that term.
    pub last_leader: ReplicaId,
    /// The replicas of that time, by id.
    pub replicas: Vec<SnapshotReplica>,
    /// Size of the file.
    pub bytes: u64,
    /// BLAKE3 of the compressed body.
    pub body_blake3: [u8; 32],
}

/// A replica as a snapshot knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotReplica {
    /// Its id in that group.
    pub id: ReplicaId,
    /// Its name.
    pub name: String,
    /// Where other replicas reached it.
    pub address: String,
    /// Whether it voted.
    pub voter: bool,
}

/// Why a file cannot be used as a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SavedSnapshotError {
    /// It is not there, or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It never was one.
    #[error("{} is no snapshot of a Navarch group: it does not begin as one does", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Bytes are missing or altered.
    #[error("snapshot {} is damaged: {what}; use another copy", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A newer version wrote it.
    #[error("snapshot {} needs {needed}, this program knows up to {supported}: use the version that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it needs.
        needed: String,
        /// What this program offers.
        supported: u32,
    },
}

impl SavedSnapshot {
    /// Opens `path` and checks all of it. Blocks for as long as reading it takes.
    ///
    /// # Errors
    ///
    /// If it is no whole snapshot that this program reads.
    pub fn open(path: &Path) -> Result<Self, SavedSnapshotError> {
        let unreadable = |source| SavedSnapshotError::Read { path: path.to_owned(), source };
        let mut beginning = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(8).read_to_end(&mut beginning).map_err(unreadable)?;
        if beginning.is_empty() || !begins_as_snapshot(&beginning) {
            return Err(SavedSnapshotError::Foreign { path: path.to_owned() });
        }
        let file = SnapshotFile::verify(path, false).map_err(|error| refusal(path, error))?;
        Ok(Self { file })
    }

    /// What its head says.
    pub fn info(&self) -> SnapshotInfo {
        let meta = self.file.meta();
        let last = meta.last_log_id;
        let voters: Vec<u64> = meta.last_membership.voter_ids().collect();
        let replicas = meta.last_membership.nodes().map(|(&id, info)| SnapshotReplica {
            id: ReplicaId(id),
            name: info.name.clone(),
            address: info.address.clone(),
            voter: voters.contains(&id),
        });
        SnapshotInfo {
            format_version: self.file.format_version(),
            feature_level: self.file.feature_level(),
            group_id: self.file.cluster_id().to_owned(),
            last_index: last.map_or(0, |last| last.index),
            last_term: last.map_or(0, |last| last.leader_id.term),
            last_leader: ReplicaId(last.map_or(0, |last| last.leader_id.node_id)),
            replicas: replicas.collect(),
            bytes: self.file.bytes(),
            body_blake3: self.file.body_hash(),
        }
    }

    /// The state as an [`Image`](crate::Image) wrote it. Blocks.
    ///
    /// # Errors
    ///
    /// If the file cannot be read any more.
    pub fn image(&self) -> io::Result<impl Read + use<>> {
        self.file.read_image()
    }
}

/// What is said of a replica's own snapshot is no advice to a person with a copy.
fn refusal(path: &Path, error: StoreError) -> SavedSnapshotError {
    let path = path.to_owned();
    match error {
        StoreError::Io { source, .. } => SavedSnapshotError::Read { path, source },
        StoreError::Damaged { what, .. } => SavedSnapshotError::Damaged { path, what },
        StoreError::NewerSnapshot { needed, supported, .. } => {
            SavedSnapshotError::Newer { path, needed, supported }
        }
        other => SavedSnapshotError::Damaged { path, what: other.to_string() },
    }
}
