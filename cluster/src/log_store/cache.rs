use std::collections::VecDeque;

use super::storage::entry_cost;
use crate::types::Entry;

/// Bytes of log kept in memory for readers: what a busy group writes in several seconds. A replica that was away
/// for longer is brought up from the disk. How many entries stay behind a snapshot is up to the purges that
/// openraft orders.
const CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The newest entries of the log, without a gap, so that replication and apply seldom read the disk.
#[derive(Debug)]
pub(crate) struct EntryCache {
    entries: VecDeque<Entry>,
    /// The index of the first entry here; where the next goes while there is none.
    first: u64,
    bytes: usize,
    bytes_max: usize,
}

impl EntryCache {
    pub(crate) fn new(first: u64) -> Self {
        Self { entries: VecDeque::new(), first, bytes: 0, bytes_max: CACHE_BYTES_MAX }
    }

    #[cfg(test)]
    pub(super) fn set_limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// The index of the oldest entry here, or of the next one if there is none.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The index after the newest entry here.
    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Adds the entry that follows; an empty cache begins with it.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.is_empty() {
            self.first = entry.log_id.index;
        }
        debug_assert_eq!(entry.log_id.index, self.end(), "the cache has no gaps");
        self.bytes += entry_cost(&entry);
        self.entries.push_back(entry);
    }

    /// Drops the oldest entries until the rest fits, but none from index `keep_from` on: those are not on
    /// disk yet.
    pub(super) fn evict(&mut self, keep_from: u64) {
        while self.bytes > self.bytes_max && self.first < keep_from {
            if !self.pop_front() {
                break;
            }
        }
    }

    /// Drops all entries below `first`; the cache then begins there or later.
    pub(super) fn purge(&mut self, first: u64) {
        while self.first < first && self.pop_front() {}
        self.first = self.first.max(first);
    }

    /// Drops all entries from `end` on; an `end` below the cache leaves it empty, to begin there.
    pub(super) fn truncate(&mut self, end: u64) {
        while self.end() > end {
            match self.entries.pop_back() {
                Some(entry) => self.bytes -= entry_cost(&entry),
                None => {
                    self.first = end;
                    break;
                }
            }
        }
    }

    /// Copies the entries of `from..to` that are here, fewer once they exceed `bytes_max`, but at least one.
    pub(super) fn read(&self, from: u64, to: u64, bytes_max: usize) -> Vec<Entry> {
        let position = |index: u64| usize::try_from(index - self.first).unwrap_or(usize::MAX);
        let (from, to) = (from.max(self.first), to.min(self.end()));
        if from >= to {
            return Vec::new();
        }
        let range = self.entries.range(position(from)..position(to));
        let mut bytes = 0;
        let fitting = range.enumerate().take_while(|(number, entry)| {
            bytes += entry_cost(entry);
            *number == 0 || bytes <= bytes_max
        });
        fitting.map(|(_, entry)| entry.clone()).collect()
    }

    fn pop_front(&mut self) -> bool {
        let Some(entry) = self.entries.pop_front() else {
            return false;
        };
        self.bytes -= entry_cost(&entry);
        self.first += 1;
        true
    }
}
