use std::{io, sync::Arc};

use crate::{
    error::StoreError,
    types::{Entry, LogId, Vote},
};

/// The largest payload of one entry, in bytes; larger proposals are refused before they reach the log.
pub(crate) const ENTRY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Where the log is kept: sled, memory, or an engine to come. One owner drives it, one call at a time. Calls
/// reach the disk in their order, and nothing counts as durable until [`LogStorage::sync`] has returned.
///
/// After an error the state of the storage is unknown: its owner stops, and never tries again.
pub(crate) trait LogStorage: Send {
    /// What the storage holds.
    fn state(&self) -> StoredState;

    /// Adds consecutive entries after the last one.
    fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError>;

    /// Removes every entry after `after`; with `None`, every entry.
    fn truncate_after(&mut self, after: Option<LogId>) -> Result<(), StoreError>;

    /// Removes every entry up to `upto`, inclusive, which may lie beyond the last.
    fn purge(&mut self, upto: LogId) -> Result<(), StoreError>;

    /// Replaces the vote; entries appended later never reach the disk before it.
    fn save_vote(&mut self, vote: Vote) -> Result<(), StoreError>;

    /// Notes what is committed, to be written along with something else.
    fn note_committed(&mut self, committed: Option<LogId>);

    /// Makes everything before this call durable.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Does one step of work that was put off: deletes at most `keys_max` purged keys, or one group of more.
    /// True if more is left.
    fn tidy(&mut self, keys_max: usize) -> Result<bool, StoreError>;

    /// A handle to read synced entries with, from any thread.
    fn reader(&self) -> Arc<dyn LogRead>;

    /// Everything is synced and nothing more will come.
    fn close(&mut self) -> Result<(), StoreError>;
}

/// Reads entries that were synced. Blocks.
pub(crate) trait LogRead: Send + Sync + 'static {
    /// The entries of `from..to` that are there, in order; fewer once they exceed `bytes_max`, but at least one.
    fn read(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, StoreError>;
}

/// What a [`LogStorage`] holds beside entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredState {
    /// The last entry, or the last purged one in an empty log.
    pub(crate) last: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
}

impl StoredState {
    /// The index of the first entry that is not purged.
    pub(crate) fn first_index(&self) -> u64 {
        next_index(self.purged)
    }

    /// The index that the next entry must have.
    pub(crate) fn next_index(&self) -> u64 {
        next_index(self.last)
    }

    /// Whether the log reaches as far as `committed`: by index as well, since an older term's entry is the lesser one wherever
    /// it lies.
    pub(crate) fn reaches(&self, committed: Option<LogId>) -> bool {
        committed <= self.last && next_index(committed) <= self.next_index()
    }

    /// Refuses an entry that does not follow on the last; the very first may have any index.
    pub(crate) fn check_follows(&self, entry: &Entry) -> Result<(), StoreError> {
        let expected = self.next_index();
        let found = entry.log_id.index;
        if found == expected || self.last.is_none() {
            Ok(())
        } else {
            Err(StoreError::Gap { found, expected })
        }
    }
}

/// The index after `log_id`; the log begins at 0.
pub(crate) fn next_index(log_id: Option<LogId>) -> u64 {
    log_id.map_or(0, |log_id| log_id.index + 1)
}

/// Bytes that an entry takes in memory, about.
pub(crate) fn entry_cost(entry: &Entry) -> usize {
    let payload = match &entry.payload {
        crate::types::Carried::Normal(payload) => payload.0.len(),
        crate::types::Carried::Blank | crate::types::Carried::Membership(_) => 0,
    };
    payload + size_of::<Entry>()
}

/// How synced bytes are forced to the disk; a test may watch, or refuse.
pub(crate) type SyncCall = Box<dyn FnMut() -> io::Result<()> + Send>;
