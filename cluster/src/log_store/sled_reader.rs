use std::path::PathBuf;

use super::{
    record,
    scan::{GroupScan, ScanError},
    sled_engine::{engine_error, without_panic},
    storage::{LogRead, entry_cost},
};
use crate::{error::StoreError, types::Entry};

/// Reads entries that are no longer in memory.
pub(super) struct SledReader {
    directory: PathBuf,
    records: sled::Tree,
}

impl SledReader {
    pub(super) fn new(directory: PathBuf, records: sled::Tree) -> Self {
        Self { directory, records }
    }

    fn read_groups(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut scan = GroupScan::new(self.records.range(self.start_key(from)?..));
        while let Some(group) = scan.next_group().map_err(|error| self.unreadable(error))? {
            if group.first_index >= to {
                break;
            }
            let first = group.first_index;
            let damaged =
                |what| StoreError::damaged(&self.directory, format!("at entry {first}: {what}"));
            let encoded = group.content.map_err(damaged)?;
            let decoded = record::decode_group(first, encoded).map_err(damaged)?;
            for entry in decoded.entries {
                if (from..to).contains(&entry.log_id.index) {
                    bytes += entry_cost(&entry);
                    if bytes > bytes_max && !entries.is_empty() {
                        return Ok(entries);
                    }
                    entries.push(entry);
                }
            }
        }
        Ok(entries)
    }

    /// The key of the group that holds `index`, or where it would be.
    fn start_key(&self, index: u64) -> Result<record::Key, StoreError> {
        let before = self.records.range(..=record::key(index, u16::MAX)).next_back();
        let found = before.transpose().map_err(engine_error("read", &self.directory))?;
        let first =
            found.and_then(|(key, _)| record::parse_key(&key)).map_or(index, |(first, _)| first);
        Ok(record::key(first, 0))
    }

    fn unreadable(&self, error: ScanError) -> StoreError {
        match error {
            ScanError::Engine(error) => engine_error("read", &self.directory)(error),
            ScanError::ForeignKey => StoreError::damaged(&self.directory, "it holds a foreign key"),
        }
    }
}

impl LogRead for SledReader {
    fn read(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, StoreError> {
        without_panic(&self.directory, || self.read_groups(from, to, bytes_max))
    }
}
