use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use openraft::{
    OptionalSend,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use tokio::sync::oneshot;

use super::{
    cache::EntryCache,
    executor::{Command, Executor},
    host::StoreHost,
    shared::Shared,
    storage::{LogStorage, entry_cost, next_index},
    writer::Submission,
};
use crate::{
    error::StoreError,
    types::{Entry, LogId, TypeConfig, Vote},
};

/// The log as openraft sees it. Clones share it.
#[derive(Clone)]
pub(crate) struct LogStore {
    pub(super) shared: Arc<Shared>,
    sink: Sink,
}

/// Who carries out commands.
#[derive(Clone)]
enum Sink {
    /// The storage thread.
    Thread(Submission),
    /// The caller itself, for an engine that does not block.
    Inline(Arc<Mutex<Option<Executor>>>),
}

impl LogStore {
    pub(super) fn threaded(shared: Arc<Shared>, submission: Submission) -> Self {
        Self { shared, sink: Sink::Thread(submission) }
    }

    /// A store on an engine that never blocks, without a thread.
    pub(crate) fn inline(storage: Box<dyn LogStorage>, cache: EntryCache, host: StoreHost) -> Self {
        let shared = Arc::new(Shared::new(storage.state(), cache, storage.reader(), None));
        let executor = Executor::new(storage, Arc::clone(&shared), host);
        Self { shared, sink: Sink::Inline(Arc::new(Mutex::new(Some(executor)))) }
    }

    /// Bounds the entries kept in memory, in bytes.
    #[cfg(test)]
    pub(crate) fn limit_cache(&self, bytes_max: usize) {
        self.shared.view().cache.set_limit(bytes_max);
    }

    /// Waits until everything accepted is durable, and closes the engine: the directory is free afterwards.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let (done, closed) = oneshot::channel();
        self.send(Command::Close { done }).await?;
        closed.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn reserve(&self, bytes: usize) -> Result<(), StoreError> {
        match &self.sink {
            Sink::Thread(submission) => submission.reserve(bytes).await,
            Sink::Inline(_) => Ok(()),
        }
    }

    async fn send(&self, command: Command) -> Result<(), StoreError> {
        match &self.sink {
            Sink::Thread(submission) => submission.send(command).await,
            Sink::Inline(executor) => {
                let mut slot = executor.lock().unwrap_or_else(PoisonError::into_inner);
                let executor = slot.as_mut().ok_or(StoreError::Closed)?;
                if let Some(done) = executor.run(&mut vec![command]) {
                    let closed = slot.take().is_some_and(Executor::close);
                    let outcome = if closed { Ok(()) } else { Err(StoreError::Closed) };
                    // A caller that has gone away meanwhile is no failure.
                    let _ = done.send(outcome);
                }
                Ok(())
            }
        }
    }

    /// Shows entries to readers before they are durable, as openraft asks.
    fn accept(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut view = self.shared.view();
        for entry in entries {
            view.state.check_follows(entry)?;
            view.state.last = Some(entry.log_id);
            view.cache.push(entry.clone());
        }
        Ok(())
    }

    async fn append_entries(
        &self,
        entries: Vec<Entry>,
        done: IOFlushed<TypeConfig>,
    ) -> Result<(), StoreError> {
        self.reserve(entries.iter().map(entry_cost).sum()).await?;
        self.accept(&entries)?;
        self.send(Command::Append { entries, done }).await
    }

    async fn truncate(&self, after: Option<LogId>) -> Result<(), StoreError> {
        {
            let mut view = self.shared.view();
            let last = after.max(view.state.purged);
            if last >= view.state.last {
                return Ok(());
            }
            view.state.last = last;
            view.state.committed = view.state.committed.min(last);
            view.cache.truncate(next_index(last));
            view.truncations += 1;
            view.pending_truncations += 1;
        }
        self.send(Command::Truncate { after }).await
    }

    async fn purge_upto(&self, upto: LogId) -> Result<(), StoreError> {
        {
            let mut view = self.shared.view();
            if view.state.purged >= Some(upto) {
                return Ok(());
            }
            view.state.purged = Some(upto);
            if next_index(view.state.last) <= upto.index {
                view.state.last = Some(upto);
            }
            view.cache.purge(upto.index + 1);
        }
        self.send(Command::Purge { upto }).await
    }

    async fn write_vote(&self, vote: Vote) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        self.send(Command::Vote { vote, done }).await?;
        written.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let view = self.shared.view();
        Ok(LogState { last_purged_log_id: view.state.purged, last_log_id: view.state.last })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    /// Returns once the vote is synced.
    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.write_vote(*vote).await.map_err(StoreError::into_io)
    }

    /// Costs nothing: it rides on the next batch.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.shared.view().state.committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.shared.view().state.committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().collect();
        let appended = self.append_entries(entries, callback).await;
        appended.map_err(StoreError::into_io)
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        self.truncate(last_log_id).await.map_err(StoreError::into_io)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.purge_upto(log_id).await.map_err(StoreError::into_io)
    }
}
