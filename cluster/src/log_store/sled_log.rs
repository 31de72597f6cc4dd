use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    mark::{Mark, MarkFile},
    packer::Packer,
    record::{self, GroupBuilder, Origin},
    sled_engine::engine_error,
    sled_reader::SledReader,
    storage::{
        ENTRY_BYTES_MAX, LogRead, LogStorage, StoredState, SyncCall, entry_cost, next_index,
    },
    unpacker::Unpacker,
};
use crate::{
    error::StoreError,
    types::{Carried, Entry, LeaderId, LogId, Vote},
};

/// Where the mark lies in its tree.
pub(super) const MARK_KEY: &[u8] = b"mark";

/// The log in sled. Entries lie in groups, one record each (large entries in several), in the order of their
/// indexes; after them, in each batch, lies the [`Mark`]. sled recovers a prefix of what was written, so where
/// a mark is found, everything before it is there too, unless the disk lost it: that the opener checks.
pub(crate) struct SledLog {
    pub(super) directory: PathBuf,
    /// Kept open while the trees are in use.
    pub(super) database: sled::Db,
    pub(super) records: sled::Tree,
    pub(super) marks: sled::Tree,
    pub(super) mark_file: MarkFile,
    pub(super) sync_call: SyncCall,
    pub(super) record_bytes_max: usize,
    pub(super) packer: Packer,
    /// What the next mark will say; `durable` is what the last sync reached.
    pub(super) mark: Mark,
    /// Where the entries lie.
    pub(super) groups: VecDeque<GroupSpan>,
    /// Purged groups whose keys are still there.
    pub(super) leftovers: VecDeque<GroupSpan>,
    pub(super) builder: GroupBuilder,
    /// Something was written since the last mark.
    pub(super) unmarked: bool,
    /// What is committed has changed since the last mark, which is no reason to write by itself.
    pub(super) committed_unmarked: bool,
    /// Something was written since the last sync.
    pub(super) unsynced: bool,
}

/// The records of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupSpan {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) parts: u16,
}

impl SledLog {
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What a group that is written now is written after.
    pub(super) fn origin(&self, previous: Option<LeaderId>) -> Origin {
        Origin { previous, mark_sequence: self.mark.sequence }
    }

    /// Writes the entries gathered so far as one group.
    fn write_group(&mut self) -> Result<(), StoreError> {
        let Some((first, count, encoded)) = self.builder.take() else {
            return Ok(());
        };
        let values = record::split(&encoded, self.record_bytes_max, &mut self.packer).ok_or(
            StoreError::EntryTooLarge {
                index: first,
                bytes: encoded.len(),
                limit: ENTRY_BYTES_MAX,
            },
        )?;
        let mut parts = 0;
        for value in values {
            self.records
                .insert(record::key(first, parts), value)
                .map_err(engine_error("write to", self.directory()))?;
            parts += 1;
        }
        let last = first + count - 1;
        self.groups.push_back(GroupSpan { first, last, parts });
        self.unmarked = true;
        self.unsynced = true;
        Ok(())
    }

    /// Writes the present mark after everything before it.
    pub(super) fn write_mark(&mut self) -> Result<(), StoreError> {
        self.mark.sequence += 1;
        self.marks
            .insert(MARK_KEY, self.mark.encode())
            .map_err(engine_error("write to", self.directory()))?;
        self.unmarked = false;
        self.committed_unmarked = false;
        self.unsynced = true;
        Ok(())
    }

    /// Deletes all records of `span`, the last first, so that a cut never leaves a hole.
    pub(super) fn delete_group(&mut self, span: GroupSpan) -> Result<(), StoreError> {
        for part in (0..span.parts).rev() {
            self.records
                .remove(record::key(span.first, part))
                .map_err(engine_error("delete from", self.directory()))?;
        }
        Ok(())
    }

    /// Shortens the last group so that it ends at `last`.
    fn shorten_last_group(&mut self, last: u64) -> Result<(), StoreError> {
        let Some(span) = self.groups.back().copied().filter(|span| span.last > last) else {
            return Ok(());
        };
        // Only a group of several entries can be shortened, and such a group is one record.
        let value = self
            .records
            .get(record::key(span.first, 0))
            .map_err(engine_error("read", self.directory()))?;
        let damaged = |what: String| {
            StoreError::damaged(self.directory(), format!("at entry {}: {what}", span.first))
        };
        let value = value.ok_or_else(|| damaged("it is missing".to_owned()))?;
        let part = record::open(0, &value, &mut Unpacker::default()).map_err(damaged)?;
        let encoded = part.body.into_owned().into();
        let group = record::decode_group(span.first, encoded).map_err(damaged)?;
        self.groups.pop_back();
        for entry in group.entries.iter().take_while(|entry| entry.log_id.index <= last) {
            self.builder.push(entry, self.origin(group.origin.previous));
        }
        self.write_group()
    }
}

impl LogStorage for SledLog {
    fn state(&self) -> StoredState {
        self.mark.state.clone()
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            self.mark.state.check_follows(entry)?;
            let cost = entry_cost(entry);
            if cost > ENTRY_BYTES_MAX + size_of::<Entry>() {
                return Err(StoreError::EntryTooLarge {
                    index: entry.log_id.index,
                    bytes: cost,
                    limit: ENTRY_BYTES_MAX,
                });
            }
            // How large the group may grow is known of payloads alone: a group of several entries must stay one record.
            let alone = matches!(entry.payload, Carried::Membership(_));
            if alone || self.builder.len() + cost > self.record_bytes_max {
                self.write_group()?;
            }
            let previous = self.mark.state.last.map(|last| last.leader_id);
            self.builder.push(entry, self.origin(previous));
            self.mark.state.last = Some(entry.log_id);
            if alone {
                self.write_group()?;
            }
        }
        Ok(())
    }

    fn truncate_after(&mut self, after: Option<LogId>) -> Result<(), StoreError> {
        self.write_group()?;
        let last = after.max(self.mark.state.purged);
        if last >= self.mark.state.last {
            return Ok(());
        }
        // The mark goes first: whatever part of the deletions survives a cut, it no longer claims them.
        self.mark.state.last = last;
        self.mark.durable = self.mark.durable.min(last);
        self.mark.state.committed = self.mark.state.committed.min(last);
        self.write_mark()?;
        let keep = next_index(last);
        while let Some(span) = self.groups.back().copied().filter(|span| span.first >= keep) {
            self.delete_group(span)?;
            self.groups.pop_back();
        }
        match last {
            Some(last) => self.shorten_last_group(last.index),
            None => Ok(()),
        }
    }

    fn purge(&mut self, upto: LogId) -> Result<(), StoreError> {
        self.write_group()?;
        let state = &mut self.mark.state;
        if state.purged >= Some(upto) {
            return Ok(());
        }
        state.purged = Some(upto);
        if next_index(state.last) <= upto.index {
            state.last = Some(upto);
        }
        self.mark.durable = self.mark.durable.max(Some(upto));
        self.write_mark()?;
        while let Some(span) = self.groups.front().filter(|span| span.last <= upto.index) {
            self.leftovers.push_back(*span);
            self.groups.pop_front();
        }
        Ok(())
    }

    fn save_vote(&mut self, vote: Vote) -> Result<(), StoreError> {
        self.write_group()?;
        self.mark.state.vote = Some(vote);
        self.write_mark()
    }

    fn note_committed(&mut self, committed: Option<LogId>) {
        if self.mark.state.reaches(committed) && committed != self.mark.state.committed {
            self.mark.state.committed = committed;
            self.committed_unmarked = true;
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.write_group()?;
        if self.unmarked || (self.unsynced && self.committed_unmarked) {
            self.write_mark()?;
        }
        if !self.unsynced {
            return Ok(());
        }
        self.database.flush().map_err(engine_error("flush", self.directory()))?;
        (self.sync_call)().map_err(StoreError::io("sync", self.directory.join("db")))?;
        self.unsynced = false;
        self.mark.durable = self.mark.state.last;
        self.mark_file.write(&self.mark)
    }

    fn tidy(&mut self, keys_max: usize) -> Result<bool, StoreError> {
        let mut keys = 0;
        while let Some(span) = self.leftovers.front().copied() {
            keys += usize::from(span.parts);
            if keys > keys_max && keys > usize::from(span.parts) {
                break;
            }
            self.delete_group(span)?;
            self.leftovers.pop_front();
        }
        Ok(!self.leftovers.is_empty())
    }

    fn reader(&self) -> Arc<dyn LogRead> {
        Arc::new(SledReader::new(self.directory.clone(), self.records.clone()))
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.unmarked = true;
        self.sync()?;
        self.mark_file.write(&Mark { closed: true, ..self.mark.clone() })?;
        self.mark_file.sync()
    }
}
