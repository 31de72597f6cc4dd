use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use navarch_host::Spawner;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::header::{Header, HeaderFault, MAGIC, PREFIX_BYTES};
use crate::{directory::sync_directory, error::StoreError, types::SnapshotMeta};

/// Bytes read or sent at once.
const CHUNK_BYTES: usize = 512 * 1024;
/// Chunks read ahead of the network.
const CHUNKS_AHEAD_MAX: usize = 4;

/// A snapshot file whose every byte was checked. It stays readable while a handle lives, also after its name
/// was removed. Clones share it.
#[derive(Clone)]
pub(crate) struct SnapshotFile(Arc<Inner>);

struct Inner {
    file: File,
    header: Header,
    body_offset: u64,
    name: Mutex<Name>,
}

struct Name {
    path: PathBuf,
    /// Not one of the replica's snapshots yet: removed with the last handle.
    temporary: bool,
}

impl SnapshotFile {
    /// Opens `path` and checks all of it. Blocks for as long as reading it takes.
    pub(crate) fn verify(path: &Path, temporary: bool) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let header = read_header(path, &file)?;
        let body_offset = header.encode().len() as u64;
        let snapshot = Self(Arc::new(Inner {
            file,
            header,
            body_offset,
            name: Mutex::new(Name { path: path.to_owned(), temporary }),
        }));
        snapshot.verify_body(path)?;
        Ok(snapshot)
    }

    /// What it covers.
    pub(crate) fn meta(&self) -> &SnapshotMeta {
        &self.0.header.meta
    }

    /// The group that it belongs to.
    pub(crate) fn cluster_id(&self) -> &str {
        &self.0.header.cluster_id
    }

    /// The feature level whose proposals its state may hold.
    pub(crate) fn feature_level(&self) -> u32 {
        self.0.header.feature_level
    }

    /// The format of the file.
    pub(crate) fn format_version(&self) -> u32 {
        self.0.header.format_version
    }

    /// BLAKE3 of its body as it lies in the file.
    pub(crate) fn body_hash(&self) -> [u8; 32] {
        self.0.header.body_hash
    }

    /// The size of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.body_offset + self.0.header.body_bytes
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.name().path.clone()
    }

    /// Received, and not one of the replica's snapshots yet.
    pub(crate) fn is_temporary(&self) -> bool {
        self.name().temporary
    }

    /// The image as the state machine wrote it. Blocks.
    pub(crate) fn read_image(&self) -> io::Result<impl Read + use<>> {
        let body = Section { snapshot: self.clone(), offset: self.0.body_offset };
        zstd::Decoder::new(body)
    }

    /// The whole file in chunks, header first, as [`super::receive::SnapshotReceiver`] takes it; read on a thread of
    /// its own, a few chunks ahead.
    pub(crate) fn chunks(
        &self,
        spawner: &dyn Spawner,
    ) -> io::Result<ReceiverStream<io::Result<Bytes>>> {
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD_MAX);
        let mut section = Section { snapshot: self.clone(), offset: 0 };
        let sending = async move {
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let read = section.read(&mut chunk);
                let item = match read {
                    Ok(0) => return,
                    Ok(count) => {
                        chunk.truncate(count);
                        Ok(Bytes::from(chunk))
                    }
                    Err(error) => Err(error),
                };
                let failed = item.is_err();
                if sender.send(item).await.is_err() || failed {
                    return;
                }
            }
        };
        spawner.thread_of("snapshot-send", Box::pin(sending))?;
        Ok(ReceiverStream::new(receiver))
    }

    /// Gives the file its final name, durably.
    pub(super) fn rename(&self, path: &Path) -> Result<(), StoreError> {
        let mut name = self.name();
        fs::rename(&name.path, path).map_err(StoreError::io("rename a snapshot to", path))?;
        name.path = path.to_owned();
        name.temporary = false;
        match path.parent() {
            Some(parent) => sync_directory(parent),
            None => Ok(()),
        }
    }

    fn name(&self) -> MutexGuard<'_, Name> {
        self.0.name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verify_body(&self, path: &Path) -> Result<(), StoreError> {
        let damaged = |what: &str| StoreError::damaged(path, what);
        let length = self.0.file.metadata().map_err(StoreError::io("read", path))?.len();
        if self.0.body_offset.checked_add(self.0.header.body_bytes) != Some(length) {
            return Err(damaged("its size does not match its header"));
        }
        let mut hasher = blake3::Hasher::new();
        let mut section = Section { snapshot: self.clone(), offset: self.0.body_offset };
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match section.read(&mut chunk).map_err(StoreError::io("read", path))? {
                0 => break,
                count => hasher.update(&chunk[..count]),
            };
        }
        if *hasher.finalize().as_bytes() == self.0.header.body_hash {
            Ok(())
        } else {
            Err(damaged("its body does not match its BLAKE3 hash"))
        }
    }
}

impl fmt::Debug for SnapshotFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        write!(formatter, "SnapshotFile({}, {})", path.display(), self.meta())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let name = self.name.get_mut().unwrap_or_else(PoisonError::into_inner);
        if name.temporary
            && let Err(error) = fs::remove_file(&name.path)
        {
            // The next start removes it.
            tracing::warn!(path = %name.path.display(), %error, "cannot remove a received snapshot");
        }
    }
}

/// Reads a file from `offset` on, without a cursor of the file's own.
struct Section {
    snapshot: SnapshotFile,
    offset: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.snapshot.0.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Whether `bytes` could be the beginning of a snapshot file.
pub(crate) fn begins_as_snapshot(bytes: &[u8]) -> bool {
    let length = bytes.len().min(MAGIC.len());
    bytes[..length] == MAGIC[..length]
}

fn read_header(path: &Path, file: &File) -> Result<Header, StoreError> {
    let cut = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => StoreError::damaged(path, "it is cut short"),
        _ => StoreError::io("read", path)(error),
    };
    let mut prefix = [0; PREFIX_BYTES];
    file.read_exact_at(&mut prefix, 0).map_err(cut)?;
    let refuse = |fault| refusal(path, fault);
    let mut header = vec![0; Header::length(&prefix).map_err(refuse)?];
    file.read_exact_at(&mut header, PREFIX_BYTES as u64).map_err(cut)?;
    Header::decode(&prefix, &header).map_err(refuse)
}

/// A fault of the head of `path` as an error.
pub(super) fn refusal(path: &Path, fault: HeaderFault) -> StoreError {
    match fault {
        HeaderFault::Damaged(what) => StoreError::damaged(path, what),
        HeaderFault::Newer(version) => StoreError::NewerSnapshot {
            path: path.to_owned(),
            needed: format!("a reader of format version {version}"),
            supported: Header::supported_version(),
        },
    }
}
