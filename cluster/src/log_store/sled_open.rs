use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use super::{
    cache::EntryCache,
    mark::{Mark, MarkFile},
    packer::Packer,
    record::{self, Group, GroupBuilder},
    scan::{GroupScan, ScanError, ScannedGroup},
    sled_engine::{SledEngine, SledOptions, engine_error, without_panic},
    sled_log::{GroupSpan, MARK_KEY, SledLog},
    storage::{LogStorage as _, SyncCall, next_index},
};
use crate::{directory::create_directory, error::StoreError, types::LogId};

const RECORDS_TREE: &[u8] = b"records";
const MARKS_TREE: &[u8] = b"marks";
/// Beside the mark: the id of the store that the log was created for.
const STORE_KEY: &[u8] = b"store";

impl SledLog {
    /// Opens or creates the log under `data_directory` and checks all of it. Intact entries stay; a torn end
    /// above what was synced is cut; damage below it is refused. When this returns, everything that is left
    /// is synced, and the newest entries are in the cache.
    pub(crate) fn open(
        data_directory: &Path,
        store_id: &str,
        options: SledOptions,
        sync_call: Option<SyncCall>,
    ) -> Result<(Self, EntryCache), StoreError> {
        let directory = data_directory.join("log");
        let existed = directory.join("db").exists();
        create_directory(&directory)?;
        let (mark_file, filed) = MarkFile::open(data_directory)?;
        if filed.is_some() && !existed {
            return Err(StoreError::damaged(directory, "the log is missing"));
        }
        without_panic(&directory, || {
            let closed = filed.as_ref().is_some_and(|mark| mark.closed);
            let engine = SledEngine::open(&directory, options, closed)?;
            let opening = Opening::new(&directory, &engine, filed)?;
            opening.check_store(store_id)?;
            let found = opening.scan()?;
            found.settle(engine, options, mark_file, sync_call)
        })
    }
}

/// A log that is being checked.
struct Opening {
    directory: PathBuf,
    records: sled::Tree,
    marks: sled::Tree,
    mark: Mark,
}

impl Opening {
    fn new(directory: &Path, engine: &SledEngine, filed: Option<Mark>) -> Result<Self, StoreError> {
        let open_tree =
            |name| engine.database.open_tree(name).map_err(engine_error("open", directory));
        let (records, marks) = (open_tree(RECORDS_TREE)?, open_tree(MARKS_TREE)?);
        let stored = marks.get(MARK_KEY).map_err(engine_error("read", directory))?;
        let stored = stored
            .map(|bytes| {
                Mark::decode(&bytes)
                    .ok_or_else(|| StoreError::damaged(directory, "its mark does not decode"))
            })
            .transpose()?;
        Ok(Self {
            directory: directory.to_owned(),
            records,
            marks,
            mark: reconcile(directory, stored, filed)?,
        })
    }

    /// The log must be the one that was created with this store id; a new one is given it.
    fn check_store(&self, store_id: &str) -> Result<(), StoreError> {
        let found = self.marks.get(STORE_KEY).map_err(engine_error("read", &self.directory))?;
        match found {
            Some(found) if found == store_id.as_bytes() => Ok(()),
            Some(found) => {
                let found = String::from_utf8_lossy(&found);
                let what =
                    format!("it belongs to another store, {found}, than its directory, {store_id}");
                Err(StoreError::damaged(&self.directory, what))
            }
            None if self.mark.sequence > 0 => {
                Err(StoreError::damaged(&self.directory, "it does not say whose it is"))
            }
            None => {
                let inserted = self.marks.insert(STORE_KEY, store_id);
                inserted.map(drop).map_err(engine_error("write to", &self.directory))
            }
        }
    }

    fn scan(self) -> Result<Found, StoreError> {
        let mut found = Found::new(self);
        let mut scan = GroupScan::new(found.opening.records.iter());
        loop {
            let group = scan.next_group().map_err(|error| found.unreadable(error))?;
            let Some(group) = group else { break };
            let next = scan.peek_index().map_err(|error| found.unreadable(error))?;
            found.take(group, next)?;
        }
        if found.last < found.opening.mark.durable {
            return Err(found.damaged("it ends there"));
        }
        Ok(found)
    }
}

/// What sled holds and what the mark file says, as one. The file's is written after sled's was synced, so sled
/// must hold that one or a later one: if not, it has lost what was acknowledged, votes perhaps among it.
fn reconcile(
    directory: &Path,
    stored: Option<Mark>,
    filed: Option<Mark>,
) -> Result<Mark, StoreError> {
    let stored_sequence = stored.as_ref().map_or(0, |mark| mark.sequence);
    let filed_sequence = filed.as_ref().map_or(0, |mark| mark.sequence);
    if stored_sequence < filed_sequence {
        return Err(StoreError::damaged(
            directory,
            format!(
                "it ends at write {stored_sequence}, but write {filed_sequence} was synced and acknowledged"
            ),
        ));
    }
    let mut mark = stored.unwrap_or_default();
    if let Some(filed) = filed
        && filed.sequence == mark.sequence
    {
        // sled's copy was written before its own batch was synced, the file's after.
        mark.durable = filed.durable;
    }
    Ok(mark)
}

/// What the scan has found so far.
struct Found {
    opening: Opening,
    last: Option<LogId>,
    groups: VecDeque<GroupSpan>,
    leftovers: VecDeque<GroupSpan>,
    /// The first indexes of the groups from the first fault on.
    torn: Vec<u64>,
    /// The group that a truncation should have shortened and did not, as it should be.
    straddling: Option<(u64, Group)>,
    cache: EntryCache,
}

impl Found {
    fn new(opening: Opening) -> Self {
        let purged = opening.mark.state.purged;
        Self {
            last: purged,
            groups: VecDeque::new(),
            leftovers: VecDeque::new(),
            torn: Vec::new(),
            straddling: None,
            cache: EntryCache::new(next_index(purged)),
            opening,
        }
    }

    fn take(&mut self, group: ScannedGroup, next_first: Option<u64>) -> Result<(), StoreError> {
        let purged_end = self.opening.mark.state.first_index();
        let ends_before = |end: u64| next_first.is_some_and(|next| next <= end);
        if group.first_index < purged_end && ends_before(purged_end) {
            // A purge had not come to it yet; whether it is whole no longer matters.
            self.leave(group.first_index, purged_end - 1, group.keys);
            return Ok(());
        }
        if !self.torn.is_empty() {
            self.torn.push(group.first_index);
            return Ok(());
        }
        let (first, keys) = (group.first_index, group.keys);
        let content = group.content;
        match content.and_then(|encoded| record::decode_group(first, encoded)) {
            Ok(group) => self.follow(first, keys, group),
            Err(what) => self.tear(first, &what),
        }
    }

    fn follow(&mut self, first: u64, keys: u16, group: Group) -> Result<(), StoreError> {
        let purged_end = self.opening.mark.state.first_index();
        let last = first + group.entries.len() as u64 - 1;
        if last < purged_end {
            self.leave(first, last, keys);
            return Ok(());
        }
        let mut group = group;
        if self.drop_truncated(&mut group) {
            if group.entries.is_empty() {
                self.torn.push(first);
                return Ok(());
            }
            self.straddling = Some((first, group.clone()));
        }
        let last = first + group.entries.len() as u64 - 1;
        if let Err(what) = self.check_chain(first, &group) {
            return self.tear(first, &what);
        }
        self.groups.push_back(GroupSpan { first, last, parts: keys });
        for entry in group.entries {
            if entry.log_id.index >= purged_end {
                self.last = Some(entry.log_id);
                self.cache.push(entry);
            }
        }
        self.cache.evict(u64::MAX);
        Ok(())
    }

    /// Drops the entries of `group` that a later mark says were truncated; true if there were any. Where that
    /// left the record as it was, power or a bit was lost in between.
    fn drop_truncated(&self, group: &mut Group) -> bool {
        let mark = &self.opening.mark;
        if group.origin.mark_sequence >= mark.sequence {
            return false;
        }
        let end = mark.state.next_index();
        let before = group.entries.len();
        group.entries.retain(|entry| entry.log_id.index < end);
        group.entries.len() < before
    }

    /// The group must begin where the last one ended, and have been written after the same entry.
    fn check_chain(&self, first: u64, group: &Group) -> Result<(), String> {
        let purged = self.opening.mark.state.purged;
        let expected = next_index(self.last);
        let straddles = first < expected && self.last == purged;
        if straddles {
            let entry_at = |id: &LogId| group.entries.iter().find(|e| e.log_id.index == id.index);
            let known = purged.as_ref().and_then(entry_at).map(|e| e.log_id);
            if known != purged {
                return Err("the purged entry there has another leader".to_owned());
            }
        } else if first != expected && self.last.is_some() {
            return Err(format!("entry {expected} is missing before {first}"));
        } else if group.origin.previous != self.last.map(|last| last.leader_id) {
            return Err(format!("entry {first} was written after another entry"));
        }
        let durable = self.opening.mark.durable;
        let covers = |id: &LogId| group.entries.iter().find(|e| e.log_id.index == id.index);
        match durable.as_ref().and_then(covers) {
            Some(entry) if Some(entry.log_id) != durable => {
                Err("the last synced entry has another leader".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Where the log stops making sense: damage if entries were synced from there on, else a torn end.
    fn tear(&mut self, first: u64, what: &str) -> Result<(), StoreError> {
        if self.last < self.opening.mark.durable {
            return Err(self.damaged(what));
        }
        tracing::warn!(index = first, fault = what, "cut the torn end of the log");
        self.torn.push(first);
        Ok(())
    }

    fn leave(&mut self, first: u64, last: u64, parts: u16) {
        self.leftovers.push_back(GroupSpan { first, last, parts });
    }

    fn damaged(&self, what: &str) -> StoreError {
        let index = next_index(self.last);
        let durable = next_index(self.opening.mark.durable).saturating_sub(1);
        StoreError::damaged(
            &self.opening.directory,
            format!("at entry {index}, though entries up to {durable} were synced: {what}"),
        )
    }

    fn unreadable(&self, error: ScanError) -> StoreError {
        match error {
            ScanError::Engine(error) => engine_error("read", &self.opening.directory)(error),
            ScanError::ForeignKey => self.damaged("sled holds a key that is none of the log's"),
        }
    }

    /// Cuts what is torn, and writes and syncs a new mark, so that vote and entries are on the disk for sure.
    fn settle(
        self,
        engine: SledEngine,
        options: SledOptions,
        mark_file: MarkFile,
        sync_call: Option<SyncCall>,
    ) -> Result<(SledLog, EntryCache), StoreError> {
        let mut mark = self.opening.mark;
        mark.closed = false;
        mark.state.last = self.last;
        mark.durable = mark.durable.min(self.last);
        mark.state.committed = mark.state.committed.min(self.last);
        let file = engine.file;
        let packer = Packer::new(options.pack_from_bytes)
            .map_err(StoreError::io("set up compression for", &self.opening.directory))?;
        let default_sync: SyncCall = Box::new(move || file.sync_data());
        let mut log = SledLog {
            directory: self.opening.directory,
            database: engine.database,
            records: self.opening.records,
            marks: self.opening.marks,
            mark_file,
            sync_call: sync_call.unwrap_or(default_sync),
            record_bytes_max: options.record_bytes_max(),
            packer,
            mark,
            groups: self.groups,
            leftovers: self.leftovers,
            builder: GroupBuilder::default(),
            unmarked: false,
            committed_unmarked: false,
            unsynced: false,
        };
        log.write_mark()?;
        for first in self.torn.into_iter().rev() {
            log.delete_torn(first)?;
        }
        if let Some((first, group)) = self.straddling {
            log.rewrite_group(first, &group)?;
        }
        log.sync()?;
        Ok((log, self.cache))
    }
}

impl SledLog {
    /// Writes a group of one record again, with the entries that are left of it.
    fn rewrite_group(&mut self, first: u64, group: &Group) -> Result<(), StoreError> {
        let mut builder = GroupBuilder::default();
        for entry in &group.entries {
            builder.push(entry, self.origin(group.origin.previous));
        }
        let encoded = builder.take().map(|(_, _, encoded)| encoded);
        let values = encoded
            .and_then(|encoded| record::split(&encoded, self.record_bytes_max, &mut self.packer));
        for (part, value) in (0u16..).zip(values.into_iter().flatten()) {
            self.records
                .insert(record::key(first, part), value)
                .map_err(engine_error("write to", &self.directory))?;
        }
        Ok(())
    }

    /// Deletes every key of a torn group, whatever parts of it are there.
    fn delete_torn(&mut self, first: u64) -> Result<(), StoreError> {
        let range = record::key(first, 0)..=record::key(first, u16::MAX);
        let keys: Vec<_> = self.records.range(range).keys().collect();
        for key in keys.into_iter().rev() {
            let removed = key.and_then(|key| self.records.remove(key));
            removed.map_err(engine_error("delete from", &self.directory))?;
        }
        Ok(())
    }
}
