use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    cache::EntryCache,
    storage::{LogRead, LogStorage, StoredState, entry_cost, next_index},
};
use crate::{
    error::StoreError,
    types::{Entry, LogId, Vote},
};

/// A disk in memory that outlives the log on it, so that a simulation can crash a replica: what was not synced
/// is lost. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    contents: Arc<Mutex<Contents>>,
    manner: Arc<Mutex<Manner>>,
}

/// How the disk behaves.
#[derive(Clone, Copy, Debug, Default)]
struct Manner {
    sync_time: Duration,
    refuses: Option<io::ErrorKind>,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    entries: BTreeMap<u64, Entry>,
    state: StoredState,
}

impl MemoryDisk {
    /// Has each sync take so long from now on; no time at first.
    pub fn set_sync_time(&self, sync_time: Duration) {
        self.manner().sync_time = sync_time;
    }

    /// Has every sync fail with `refuses` from now on, or work again.
    pub fn refuse_syncs(&self, refuses: Option<io::ErrorKind>) {
        self.manner().refuses = refuses;
    }

    pub(super) fn sync_time(&self) -> Duration {
        self.manner().sync_time
    }

    fn manner(&self) -> MutexGuard<'_, Manner> {
        self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log on a [`MemoryDisk`].
#[derive(Debug)]
pub(crate) struct MemoryLog {
    disk: MemoryDisk,
    state: StoredState,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Append(Entry),
    TruncateFrom(u64),
    PurgeBelow(u64),
}

impl MemoryLog {
    /// Opens the log on `disk` as the last sync left it.
    pub(crate) fn open(disk: MemoryDisk) -> (Self, EntryCache) {
        let contents = disk.lock().clone();
        let mut cache = EntryCache::new(contents.state.first_index());
        contents.entries.into_values().for_each(|entry| cache.push(entry));
        cache.evict(u64::MAX);
        let log = Self { disk, state: contents.state, unsynced: Vec::new() };
        (log, cache)
    }
}

impl LogStorage for MemoryLog {
    fn state(&self) -> StoredState {
        self.state.clone()
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            self.state.check_follows(entry)?;
            self.state.last = Some(entry.log_id);
            self.unsynced.push(Change::Append(entry.clone()));
        }
        Ok(())
    }

    fn truncate_after(&mut self, after: Option<LogId>) -> Result<(), StoreError> {
        let last = after.max(self.state.purged);
        if last < self.state.last {
            self.state.last = last;
            self.state.committed = self.state.committed.min(last);
            self.unsynced.push(Change::TruncateFrom(next_index(last)));
        }
        Ok(())
    }

    fn purge(&mut self, upto: LogId) -> Result<(), StoreError> {
        if self.state.purged < Some(upto) {
            self.state.purged = Some(upto);
            if next_index(self.state.last) <= upto.index {
                self.state.last = Some(upto);
            }
            self.unsynced.push(Change::PurgeBelow(upto.index + 1));
        }
        Ok(())
    }

    fn save_vote(&mut self, vote: Vote) -> Result<(), StoreError> {
        self.state.vote = Some(vote);
        Ok(())
    }

    fn note_committed(&mut self, committed: Option<LogId>) {
        if self.state.reaches(committed) {
            self.state.committed = committed;
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if let Some(kind) = self.disk.manner().refuses {
            return Err(StoreError::io("sync", "the log in memory")(kind.into()));
        }
        let mut contents = self.disk.lock();
        for change in self.unsynced.drain(..) {
            match change {
                Change::Append(entry) => {
                    contents.entries.insert(entry.log_id.index, entry);
                }
                Change::TruncateFrom(index) => drop(contents.entries.split_off(&index)),
                Change::PurgeBelow(index) => contents.entries = contents.entries.split_off(&index),
            }
        }
        contents.state = self.state.clone();
        Ok(())
    }

    fn tidy(&mut self, _keys_max: usize) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn reader(&self) -> Arc<dyn LogRead> {
        Arc::new(self.disk.clone())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.sync()
    }
}

impl LogRead for MemoryDisk {
    fn read(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, StoreError> {
        let contents = self.lock();
        let mut bytes = 0;
        let range = contents.entries.range(from..to.max(from)).enumerate();
        let fitting = range.take_while(|(number, (_, entry))| {
            bytes += entry_cost(entry);
            *number == 0 || bytes <= bytes_max
        });
        Ok(fitting.map(|(_, (_, entry))| entry.clone()).collect())
    }
}
