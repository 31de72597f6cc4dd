use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use navarch_host::Spawner;
use tokio::sync::{mpsc, oneshot};

use super::{
    file::{SnapshotFile, refusal},
    header::{Header, PREFIX_BYTES},
};
use crate::error::StoreError;

/// Chunks that may wait for the disk; the sender waits beyond.
const CHUNKS_WAITING_MAX: usize = 4;
/// As for a snapshot that is built here.
const SYNC_EVERY_BYTES: u64 = 4 * 1024 * 1024;

/// A snapshot on its way in: chunks go to a temporary file on a thread of its own. Dropped before
/// [`SnapshotReceiver::finish`], it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct SnapshotReceiver {
    chunks: mpsc::Sender<Arrival>,
    outcome: oneshot::Receiver<Result<SnapshotFile, StoreError>>,
}

#[derive(Debug)]
enum Arrival {
    Chunk(Bytes),
    End,
}

impl SnapshotReceiver {
    pub(super) fn start(
        path: PathBuf,
        cluster_id: Option<String>,
        spawner: &dyn Spawner,
    ) -> Result<Self, StoreError> {
        let (chunks, arrivals) = mpsc::channel(CHUNKS_WAITING_MAX);
        let (sender, outcome) = oneshot::channel();
        let receiving = async move {
            let received = receive(&path, cluster_id.as_deref(), arrivals).await;
            if received.is_err() {
                // It may never have been created, and the next start removes it.
                let _ = fs::remove_file(&path);
            }
            // A caller that has gone away drops the file, which removes it.
            let _ = sender.send(received);
        };
        spawner
            .thread_of("snapshot-recv", Box::pin(receiving))
            .map_err(StoreError::io("start a thread to receive", "a snapshot"))?;
        Ok(Self { chunks, outcome })
    }

    /// Takes the next bytes of the file; waits while the disk is behind.
    pub(crate) async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        match self.chunks.send(Arrival::Chunk(chunk)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure().await),
        }
    }

    /// All bytes have come: checks them. What it returns may be installed.
    pub(crate) async fn finish(mut self) -> Result<SnapshotFile, StoreError> {
        if self.chunks.send(Arrival::End).await.is_err() {
            return Err(self.failure().await);
        }
        self.outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn failure(&mut self) -> StoreError {
        match (&mut self.outcome).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) | Err(_) => StoreError::Closed,
        }
    }
}

async fn receive(
    path: &Path,
    cluster_id: Option<&str>,
    mut arrivals: mpsc::Receiver<Arrival>,
) -> Result<SnapshotFile, StoreError> {
    let mut incoming = Incoming::create(path)?;
    loop {
        match arrivals.recv().await {
            Some(Arrival::Chunk(chunk)) => incoming.take(&chunk)?,
            Some(Arrival::End) => break,
            None => return Err(refused("its sender stopped before the end")),
        }
    }
    incoming.file.sync_all().map_err(StoreError::io("sync", path))?;
    let snapshot = SnapshotFile::verify(path, true).map_err(as_refusal)?;
    match cluster_id {
        Some(cluster_id) if cluster_id != snapshot.cluster_id() => {
            let theirs = snapshot.cluster_id();
            let what = format!("it belongs to cluster {theirs}, this is cluster {cluster_id}");
            Err(refused(what))
        }
        Some(_) | None => Ok(snapshot),
    }
}

/// The file so far.
struct Incoming<'a> {
    path: &'a Path,
    file: File,
    /// The beginning, until the header is complete.
    head: Vec<u8>,
    /// The size of the whole file, once its header is known.
    size: Option<u64>,
    bytes: u64,
    unsynced: u64,
}

impl<'a> Incoming<'a> {
    fn create(path: &'a Path) -> Result<Self, StoreError> {
        Ok(Self {
            path,
            file: File::create(path).map_err(StoreError::io("create", path))?,
            head: Vec::new(),
            size: None,
            bytes: 0,
            unsynced: 0,
        })
    }

    /// Writes `chunk`; refuses more bytes than the header announced, so that no sender fills the disk.
    fn take(&mut self, chunk: &[u8]) -> Result<(), StoreError> {
        if self.size.is_none() {
            self.head.extend_from_slice(chunk);
            self.size =
                announced(&self.head).map_err(|fault| as_refusal(refusal(self.path, fault)))?;
        }
        self.bytes += chunk.len() as u64;
        if self.size.is_some_and(|size| self.bytes > size) {
            return Err(refused("it is longer than its header says"));
        }
        let mut file = &self.file;
        file.write_all(chunk).map_err(StoreError::io("write", self.path))?;
        self.unsynced += chunk.len() as u64;
        if self.unsynced >= SYNC_EVERY_BYTES {
            self.unsynced = 0;
            file.sync_data().map_err(StoreError::io("sync", self.path))?;
        }
        Ok(())
    }
}

/// The size of a file that begins with `head`, if all of its header is there.
fn announced(head: &[u8]) -> Result<Option<u64>, super::header::HeaderFault> {
    let Some((prefix, rest)) = head.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let Some(header) = rest.get(..Header::length(prefix)?) else {
        return Ok(None);
    };
    let body_bytes = Header::decode(prefix, header)?.body_bytes;
    let head_bytes = (PREFIX_BYTES + header.len()) as u64;
    Ok(Some(head_bytes.saturating_add(body_bytes)))
}

fn refused(what: impl Into<String>) -> StoreError {
    StoreError::SnapshotRefused { what: what.into() }
}

/// What would be damage of a file of ours is a reason to refuse one that was sent.
fn as_refusal(error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged { what, .. } => refused(what),
        other => other,
    }
}
