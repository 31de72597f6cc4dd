use std::sync::Arc;

use tokio::sync::{
    Semaphore,
    mpsc::{self, error::TryRecvError},
    oneshot,
};

use super::{
    cache::EntryCache,
    executor::{Closing, Command, Executor},
    host::StoreHost,
    memory_log::{MemoryDisk, MemoryLog},
    shared::Shared,
    storage::{LogStorage, entry_cost},
    store::LogStore,
};
use crate::error::StoreError;

/// Commands that may wait for the storage thread.
const QUEUE_COMMANDS_MAX: usize = 4_096;
/// Bytes of entries that may wait for it; appends beyond wait outside.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Commands and bytes that share one sync.
const BATCH_COMMANDS_MAX: usize = 1_024;
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Keys deleted in one step of a purge: while appends come, and while none do.
const PURGE_KEYS_BUSY_MAX: usize = 16;
const PURGE_KEYS_IDLE_MAX: usize = 256;

/// An engine that was opened, and its newest entries.
pub(crate) type Opened = (Box<dyn LogStorage>, EntryCache);

/// Starts the thread that owns the engine. `open` runs on it and may block; `held` lives as long as the engine.
pub(crate) async fn start_writer(
    host: StoreHost,
    held: impl Send + 'static,
    open: impl FnOnce() -> Result<Opened, StoreError> + Send + 'static,
) -> Result<LogStore, StoreError> {
    let (queue, commands) = mpsc::channel(QUEUE_COMMANDS_MAX);
    let (started, opened) = oneshot::channel();
    let room = Arc::new(Semaphore::new(QUEUE_BYTES_MAX));
    let released = Arc::clone(&room);
    let spawner = Arc::clone(&host.spawner);
    let body = move || match open() {
        Err(error) => drop(started.send(Err(error))),
        Ok((storage, cache)) => {
            let shared = Shared::new(
                storage.state(),
                cache,
                storage.reader(),
                Some(Arc::clone(&host.spawner)),
            );
            let shared = Arc::new(shared);
            let executor = Executor::new(storage, Arc::clone(&shared), host);
            if started.send(Ok(shared)).is_ok() {
                let closing = serve(executor, commands, &released);
                drop(held);
                if let Some((done, outcome)) = closing {
                    // A caller that has gone away meanwhile is no failure.
                    let _ = done.send(outcome);
                }
            }
        }
    };
    spawner
        .thread("log", Box::new(body))
        .map_err(StoreError::io("start a thread for", "the log"))?;
    let shared = opened.await.unwrap_or(Err(StoreError::Closed))?;
    Ok(LogStore::new(shared, Submission { queue, room }))
}

/// The way to whoever carries commands out.
#[derive(Clone)]
pub(super) struct Submission {
    queue: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
}

impl Submission {
    /// Waits until entries of `bytes` may be queued.
    pub(super) async fn reserve(&self, bytes: usize) -> Result<(), StoreError> {
        let permit = self.room.acquire_many(permits(bytes)).await;
        permit.map_err(|_| StoreError::Closed)?.forget();
        Ok(())
    }

    pub(super) async fn send(&self, command: Command) -> Result<(), StoreError> {
        let sent = self.queue.send(command).await;
        sent.map_err(|_| StoreError::Closed)
    }
}

/// A single command of more than the room may pass alone.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.min(QUEUE_BYTES_MAX)).unwrap_or(u32::MAX)
}

/// Runs until the log is closed, and lets go of the engine; whoever asked for that is told by the caller.
fn serve(
    mut executor: Executor,
    mut commands: mpsc::Receiver<Command>,
    room: &Semaphore,
) -> Option<(Closing, Result<(), StoreError>)> {
    let mut batch = Vec::new();
    let mut untidy = true;
    loop {
        let first = if untidy {
            match commands.try_recv() {
                Ok(command) => Some(command),
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => {
                    untidy = executor.tidy(PURGE_KEYS_IDLE_MAX);
                    continue;
                }
            }
        } else {
            commands.blocking_recv()
        };
        let Some(first) = first else {
            // openraft has gone and everything is answered.
            executor.close();
            return None;
        };
        let released = gather(first, &mut commands, &mut batch);
        let closing = executor.run(&mut batch);
        room.add_permits(released);
        if let Some(done) = closing {
            return Some((done, close(executor)));
        }
        untidy = executor.tidy(PURGE_KEYS_BUSY_MAX);
    }
}

fn close(executor: Executor) -> Result<(), StoreError> {
    if executor.close() { Ok(()) } else { Err(StoreError::Closed) }
}

/// Starts a task in place of the thread, for a disk in memory: each batch is written as long after it came as the disk
/// takes to sync, so that a crash in between loses it.
pub(crate) fn start_task(host: StoreHost, disk: MemoryDisk) -> LogStore {
    let (log, cache) = MemoryLog::open(disk.clone());
    let (queue, mut commands) = mpsc::channel(QUEUE_COMMANDS_MAX);
    let room = Arc::new(Semaphore::new(QUEUE_BYTES_MAX));
    let released = Arc::clone(&room);
    let shared = Arc::new(Shared::new(log.state(), cache, log.reader(), None));
    let clock = host.clock.clone();
    let spawner = Arc::clone(&host.spawner);
    let mut executor = Executor::new(Box::new(log), Arc::clone(&shared), host);
    spawner.spawn("log", async move {
        let mut batch = Vec::new();
        while let Some(first) = commands.recv().await {
            let permits = gather(first, &mut commands, &mut batch);
            clock.sleep(disk.sync_time()).await;
            let closing = executor.run(&mut batch);
            released.add_permits(permits);
            if let Some(done) = closing {
                // A caller that has gone away meanwhile is no failure.
                let _ = done.send(close(executor));
                return;
            }
        }
        executor.close();
    });
    LogStore::new(shared, Submission { queue, room })
}

/// Takes what waits, up to one batch; the permits that it holds.
fn gather(
    first: Command,
    commands: &mut mpsc::Receiver<Command>,
    batch: &mut Vec<Command>,
) -> usize {
    let mut bytes = 0;
    let mut released = 0;
    let mut next = Some(first);
    while let Some(command) = next {
        if let Command::Append { entries, .. } = &command {
            let cost = entries.iter().map(entry_cost).sum();
            bytes += cost;
            released += permits(cost) as usize;
        }
        let closes = matches!(command, Command::Close { .. });
        batch.push(command);
        let full = closes || batch.len() >= BATCH_COMMANDS_MAX || bytes >= BATCH_BYTES_MAX;
        next = if full { None } else { commands.try_recv().ok() };
    }
    released
}
