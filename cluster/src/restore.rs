use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use openraft::vote::RaftLeaderId as _;
use uuid::Uuid;

use crate::{
    config::ReplicaConfig,
    directory::{DirectoryLock, Expected, IdentityFile, create_directory},
    error::StoreError,
    replica_error::StartError,
    snapshot_store::SnapshotStore,
    state_machine::Image,
    types::{LeaderId, LogId, Membership, ReplicaInfo, SnapshotMeta, StoredMembership},
};

/// The id of the one replica of a restored group.
const FIRST_ID: u64 = 1;
/// What a fresh file system holds by itself.
const NOT_OURS: &str = "lost+found";

/// Why no group was made of a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// What lies there may be the votes of another group.
    #[error(
        "data directory {} is not empty ({found} lies in it): give an empty one, or move what is there away",
        directory.display()
    )]
    NotEmpty {
        /// The data directory.
        directory: PathBuf,
        /// One of its entries.
        found: String,
    },
    /// The directory cannot be listed.
    #[error("cannot list data directory {}: {source}", directory.display())]
    List {
        /// The data directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] StartError),
    /// The directory cannot be written.
    #[error("{0}; empty the data directory before another try")]
    Store(#[from] StoreError),
}

/// Makes a new group of the one replica that `config` describes, whose state is `image` up to `last_index`, in
/// its empty data directory: the group's id. The replica goes on from there at its next start. Terms and replica
/// ids begin anew: no replica of another group is ever heard by this one. Blocks.
///
/// # Errors
///
/// If the directory is not empty or cannot be written, or the configuration is wrong.
pub fn restore(
    config: &ReplicaConfig,
    last_index: u64,
    image: &dyn Image,
) -> Result<String, RestoreError> {
    let config = config.clone().validated()?;
    let directory = &config.data_dir;
    check_empty(directory)?;
    create_directory(directory)?;
    let _lock = DirectoryLock::acquire(directory)?;
    let identity = Arc::new(IdentityFile::open(directory, &Expected::default())?);
    let group_id = Uuid::new_v4().to_string();
    let info = ReplicaInfo {
        name: config.name.clone(),
        address: config.advertised.clone(),
        public_address: config.public_address.clone(),
        store_id: identity.get().store_id,
    };
    // The identity first: a directory that was left half-way never forms another group.
    identity.claim(&group_id, FIRST_ID)?;
    let snapshots = SnapshotStore::open(directory, identity)?;
    snapshots.build(meta(last_index, info)?, image)?;
    Ok(group_id)
}

fn check_empty(directory: &Path) -> Result<(), RestoreError> {
    let failed = |source| RestoreError::List { directory: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let found = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if found != NOT_OURS {
            return Err(RestoreError::NotEmpty { directory: directory.to_owned(), found });
        }
    }
    Ok(())
}

/// Everything up to `last_index` as if it had been agreed on before the first term.
fn meta(last_index: u64, info: ReplicaInfo) -> Result<SnapshotMeta, StartError> {
    let last_log_id = Some(LogId::new(LeaderId::new(0, 0), last_index));
    let nodes = BTreeMap::from([(FIRST_ID, info)]);
    let membership = Membership::new(vec![BTreeSet::from([FIRST_ID])], nodes)
        .map_err(|error| StartError::Config(error.to_string()))?;
    Ok(SnapshotMeta {
        last_log_id,
        last_membership: StoredMembership::new(last_log_id, membership),
    })
}
