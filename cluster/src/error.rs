use std::{io, path::PathBuf};

/// What to do with a directory that a replica cannot go on from.
const REJOIN: &str = "do not repair it in place: remove this replica from the group, empty its data directory, and \
     start it again so that it joins as a new replica";

/// Why a store does not open, or no longer writes.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused; never retried, since a failed sync may already have dropped the data.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// sled refused.
    #[error("cannot {action} the log in {}: {source}", path.display())]
    Engine {
        /// What was tried.
        action: &'static str,
        /// The log's directory.
        path: PathBuf,
        /// Why not.
        source: sled::Error,
    },
    /// Another process has the directory open.
    #[error(
        "data directory {} is in use by another process: stop that one, or give this replica a directory of its own",
        directory.display()
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
    },
    /// A newer version wrote the directory.
    #[error(
        "data directory {} has format version {found}, this program knows up to {supported}: start the newer version \
         that wrote it",
        directory.display()
    )]
    NewerFormat {
        /// The data directory.
        directory: PathBuf,
        /// The format version in it.
        found: u32,
        /// The newest that this program knows.
        supported: u32,
    },
    /// The directory belongs to another replica of the group.
    #[error(
        "data directory {} belongs to replica {found}, this is replica {expected}: give each replica its own directory",
        directory.display()
    )]
    OtherReplica {
        /// The data directory.
        directory: PathBuf,
        /// The replica that it belongs to.
        found: u64,
        /// The replica that opened it.
        expected: u64,
    },
    /// The directory belongs to another cluster.
    #[error(
        "data directory {} belongs to cluster {found}, this replica belongs to cluster {expected}: give it another \
         directory",
        directory.display()
    )]
    OtherCluster {
        /// The data directory.
        directory: PathBuf,
        /// The cluster that it belongs to.
        found: String,
        /// The cluster that the replica was told.
        expected: String,
    },
    /// Acknowledged data is missing or altered.
    #[error("{} is damaged: {what}; {REJOIN}", path.display())]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A snapshot file that this version cannot read.
    #[error("snapshot {} needs {needed}, this program knows up to {supported}: start the version that wrote it", path.display())]
    NewerSnapshot {
        /// The file.
        path: PathBuf,
        /// What the file needs.
        needed: String,
        /// What this program offers.
        supported: u32,
    },
    /// A snapshot that the leader sent and that is not used.
    #[error("the snapshot received is refused: {what}; the leader sends it again")]
    SnapshotRefused {
        /// What is wrong with it.
        what: String,
    },
    /// An entry that no replica would store.
    #[error("entry {index} has {bytes} bytes, the limit is {limit}: propose less at once")]
    EntryTooLarge {
        /// Its log index.
        index: u64,
        /// Its size.
        bytes: usize,
        /// The largest size allowed.
        limit: usize,
    },
    /// An entry that does not follow on the last one: a defect of the caller.
    #[error("entry {found} does not follow on the log, which expects {expected}")]
    Gap {
        /// The index that came.
        found: u64,
        /// The index that would follow.
        expected: u64,
    },
    /// The storage thread has ended, after a fault that it reported or because the store was closed.
    #[error("the log store is closed")]
    Closed,
}

impl StoreError {
    /// For `map_err`: the operating system's refusal to `action` on `path`.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Acknowledged data in `path` is missing or altered.
    pub(crate) fn damaged(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), what: what.into() }
    }

    /// As openraft takes errors.
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}
