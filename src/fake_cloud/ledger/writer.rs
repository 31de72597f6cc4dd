use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use navarch_host::Spawner;
use tokio::sync::{mpsc, oneshot, watch};

use super::{file::LedgerFile, line::Line};
use crate::fake_cloud::FakeCloudError;

/// Lines that wait for the storage thread; one more waits for its turn to enter.
const QUEUE_LIMIT: usize = 1_024;

/// Lines written and synced together.
const BATCH_LIMIT: usize = 256;

/// The end of the ledger: appends lines on a thread of its own, in the order in which their slots were used.
#[derive(Clone, Debug)]
pub struct LedgerWriter {
    queue: mpsc::Sender<Job>,
    committed: Arc<AtomicU64>,
    failure: watch::Receiver<Option<Arc<io::Error>>>,
    path: PathBuf,
}

struct Job {
    line: Line,
    written: oneshot::Sender<()>,
}

/// A place in the queue. Taking one may wait; using it does not, so that it can be used under a lock.
#[derive(Debug)]
pub struct Slot(mpsc::OwnedPermit<Job>);

/// Ready when a line and all before it are in the file, and synced if one of them changed anything.
#[derive(Debug)]
pub struct Written(oneshot::Receiver<()>);

/// The ledger cannot be written any more; the fake cloud is about to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot be written any more")]
pub struct LedgerClosed;

impl LedgerWriter {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The thread could not be started.
    pub fn start(ledger: LedgerFile, spawner: &dyn Spawner) -> Result<Self, FakeCloudError> {
        let (queue, jobs) = mpsc::channel(QUEUE_LIMIT);
        let (failed, failure) = watch::channel(None);
        let committed = Arc::new(AtomicU64::new(ledger.length));
        let path = ledger.path.clone();
        let shared = Arc::clone(&committed);
        let body = move || {
            if let Err(error) = run(ledger.file, jobs, &shared) {
                failed.send_replace(Some(Arc::new(error)));
            }
        };
        spawner.thread("fake-cloud-ledger", Box::new(body)).map_err(FakeCloudError::Thread)?;
        Ok(Self { queue, committed, failure, path })
    }

    /// A place for one line.
    ///
    /// # Errors
    ///
    /// [`LedgerClosed`] after a write failed.
    pub async fn slot(&self) -> Result<Slot, LedgerClosed> {
        let permit = self.queue.clone().reserve_owned().await;
        permit.map(Slot).map_err(|_| LedgerClosed)
    }

    /// Waits until a write has failed; for ever if none does.
    pub async fn failed(&self) -> FakeCloudError {
        let mut failure = self.failure.clone();
        let error = loop {
            if let Some(error) = failure.borrow_and_update().clone() {
                break error;
            }
            if failure.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        FakeCloudError::Ledger {
            path: self.path.clone(),
            source: io::Error::new(error.kind(), error.to_string()),
        }
    }

    /// Gives this end up, and waits until all others have been, what was sent is written and the file is
    /// closed.
    pub async fn closed(self) {
        let mut failure = self.failure;
        drop(self.queue);
        // The other end is dropped with the thread, after the file.
        while failure.changed().await.is_ok() {}
    }

    /// Bytes of the file that hold whole lines.
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Where the file is.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }
}

impl Slot {
    /// Puts `line` into the queue.
    pub fn send(self, line: Line) -> Written {
        let (written, receiver) = oneshot::channel();
        // The sender that comes back is another clone of the queue's end, of which there are more.
        drop(self.0.send(Job { line, written }));
        Written(receiver)
    }
}

impl Written {
    /// Waits for it.
    ///
    /// # Errors
    ///
    /// [`LedgerClosed`] if the line could not be written.
    pub async fn wait(self) -> Result<(), LedgerClosed> {
        self.0.await.map_err(|_| LedgerClosed)
    }
}

fn run(mut file: File, mut jobs: mpsc::Receiver<Job>, committed: &AtomicU64) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut batch = Vec::new();
    while let Some(first) = jobs.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH_LIMIT
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        buffer.clear();
        for job in &batch {
            serde_json::to_writer(&mut buffer, &job.line)?;
            buffer.push(b'\n');
        }
        file.write_all(&buffer)?;
        if batch.iter().any(|job| job.line.change.is_some()) {
            file.sync_data()?;
        }
        committed.fetch_add(buffer.len() as u64, Ordering::Release);
        for job in batch.drain(..) {
            // Whoever asked may have gone away; the line stands.
            let _ = job.written.send(());
        }
    }
    Ok(())
}
