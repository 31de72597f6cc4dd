use std::{io, sync::Arc};

use openraft::{
    OptionalSend,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use tokio::sync::oneshot;

use super::{
    executor::Command,
    shared::Shared,
    storage::{entry_cost, next_index},
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
    submission: Submission,
}

impl LogStore {
    pub(super) fn new(shared: Arc<Shared>, submission: Submission) -> Self {
        Self { shared, submission }
    }

    /// Bounds the entries kept in memory, in bytes.
    #[cfg(test)]
    pub(crate) fn limit_cache(&self, bytes_max: usize) {
        self.shared.view().cache.set_limit(bytes_max);
    }

    /// Waits until everything accepted is durable, and closes the engine: the directory is free afterwards.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let (done, closed) = oneshot::channel();
        self.submission.send(Command::Close { done }).await?;
        closed.await.unwrap_or(Err(StoreError::Closed))
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
        self.submission.reserve(entries.iter().map(entry_cost).sum()).await?;
        self.accept(&entries)?;
        self.submission.send(Command::Append { entries, done }).await
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
        self.submission.send(Command::Truncate { after }).await
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
        self.submission.send(Command::Purge { upto }).await
    }

    async fn write_vote(&self, vote: Vote) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        self.submission.send(Command::Vote { vote, done }).await?;
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
