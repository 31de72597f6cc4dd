use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use navarch_proto::peer;
use prost::Message as _;
use uuid::Uuid;

use super::files::replace_file;
use crate::error::StoreError;

/// The format of everything in a data directory; raised when an older program could not read it. Since 2, records of
/// the log may be compressed.
pub(super) const FORMAT_VERSION: u32 = 2;

/// The first bytes of the file, so that a stray file is told from a damaged one.
pub(super) const MAGIC: &[u8; 8] = b"NAVSTORE";
const CRC_BYTES: usize = 4;

/// Whose store a directory is. The store id is minted once; cluster and replica are named when the replica is
/// admitted to a group, and never change afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) store_id: String,
    pub(crate) cluster_id: Option<String>,
    pub(crate) replica_id: Option<u64>,
}

/// Whom the opener takes itself for, as far as it knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    pub(crate) cluster_id: Option<String>,
    pub(crate) replica_id: Option<u64>,
}

/// The identity of an open directory, in memory and on disk.
#[derive(Debug)]
pub(crate) struct IdentityFile {
    directory: PathBuf,
    identity: Mutex<Identity>,
}

impl IdentityFile {
    /// Reads the identity of `directory`, or mints one for an empty directory; synced when this returns. The directory
    /// of an older program is marked as this one's, so that the older one refuses what it could misread.
    pub(crate) fn open(directory: &Path, expected: &Expected) -> Result<Self, StoreError> {
        let path = directory.join("identity");
        let (identity, format_version) = match fs::read(&path) {
            Ok(bytes) => decode(directory, &path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (mint(directory, &path)?, FORMAT_VERSION)
            }
            Err(error) => return Err(StoreError::io("read", path)(error)),
        };
        check(directory, &identity, expected)?;
        if format_version < FORMAT_VERSION {
            replace_file(&path, &encode(&identity))?;
        }
        Ok(Self { directory: directory.to_owned(), identity: Mutex::new(identity) })
    }

    pub(crate) fn get(&self) -> Identity {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Admits this store to a group under an id, durably; safe to repeat, refused for another group or id.
    pub(crate) fn claim(&self, cluster_id: &str, replica_id: u64) -> Result<(), StoreError> {
        let expected =
            Expected { cluster_id: Some(cluster_id.to_owned()), replica_id: Some(replica_id) };
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        check(&self.directory, &identity, &expected)?;
        let claimed = Identity {
            store_id: identity.store_id.clone(),
            cluster_id: expected.cluster_id,
            replica_id: expected.replica_id,
        };
        if *identity != claimed {
            replace_file(&self.directory.join("identity"), &encode(&claimed))?;
            *identity = claimed;
        }
        Ok(())
    }
}

fn mint(directory: &Path, path: &Path) -> Result<Identity, StoreError> {
    // A log without its identity is not a new store: to take it for one would forget the votes in it.
    for remnant in ["log", "mark"] {
        if directory.join(remnant).exists() {
            return Err(StoreError::damaged(path, format!("it is missing beside '{remnant}'")));
        }
    }
    let identity =
        Identity { store_id: Uuid::new_v4().to_string(), cluster_id: None, replica_id: None };
    replace_file(path, &encode(&identity))?;
    Ok(identity)
}

fn check(directory: &Path, found: &Identity, expected: &Expected) -> Result<(), StoreError> {
    if let (Some(found), Some(expected)) = (&found.cluster_id, &expected.cluster_id)
        && found != expected
    {
        return Err(StoreError::OtherCluster {
            directory: directory.to_owned(),
            found: found.clone(),
            expected: expected.clone(),
        });
    }
    if let (Some(found), Some(expected)) = (found.replica_id, expected.replica_id)
        && found != expected
    {
        return Err(StoreError::OtherReplica { directory: directory.to_owned(), found, expected });
    }
    Ok(())
}

pub(super) fn encode(identity: &Identity) -> Vec<u8> {
    let message = peer::StoreIdentity {
        format_version: FORMAT_VERSION,
        store_id: identity.store_id.clone(),
        cluster_id: identity.cluster_id.clone().unwrap_or_default(),
        replica_id: identity.replica_id.unwrap_or_default(),
    };
    let mut bytes = MAGIC.to_vec();
    bytes.extend(message.encode_to_vec());
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

/// The identity, and the format version of the directory.
pub(super) fn decode(
    directory: &Path,
    path: &Path,
    bytes: &[u8],
) -> Result<(Identity, u32), StoreError> {
    let damaged = |what: &str| StoreError::damaged(path, what);
    let (content, crc) =
        bytes.split_last_chunk::<CRC_BYTES>().ok_or_else(|| damaged("it is cut short"))?;
    if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
        return Err(damaged("its checksum does not match"));
    }
    let encoded =
        content.strip_prefix(MAGIC).ok_or_else(|| damaged("it is not an identity file"))?;
    let message = peer::StoreIdentity::decode(encoded)
        .map_err(|error| damaged(&format!("it does not decode: {error}")))?;
    if message.format_version > FORMAT_VERSION {
        return Err(StoreError::NewerFormat {
            directory: directory.to_owned(),
            found: message.format_version,
            supported: FORMAT_VERSION,
        });
    }
    let identity = Identity {
        store_id: message.store_id,
        cluster_id: Some(message.cluster_id).filter(|id| !id.is_empty()),
        replica_id: Some(message.replica_id).filter(|&id| id != 0),
    };
    Ok((identity, message.format_version))
}
