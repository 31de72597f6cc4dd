use std::{
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
};

use openraft::{OptionalSend, RaftLogReader};

use super::{shared::View, storage::entry_cost, store::LogStore};
use crate::{
    error::StoreError,
    types::{Entry, TypeConfig, Vote},
};

/// Bytes of entries handed to replication at once; one entry may be larger.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// How often a read may be overtaken by truncations before it gives up.
const OVERTAKEN_MAX: u32 = 16;

/// What one look at memory and disk came to.
enum Look {
    /// All that was asked for, or as much as there is room for.
    Whole(Vec<Entry>),
    /// As far as the disk was asked for it: what follows has left the memory meanwhile.
    Part(Vec<Entry>),
    /// The log was cut under it.
    Overtaken,
}

impl LogStore {
    /// The entries of `from..to` that the log holds; fewer once they exceed `bytes_max`, or where a limit is given and memory
    /// was let go of meanwhile, but at least one.
    async fn read(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, StoreError> {
        for _ in 0..OVERTAKEN_MAX {
            let truncations = self.shared.view().truncations;
            let (mut all, mut next) = (Vec::new(), from);
            loop {
                let look = self.look((next, to), bytes_max, truncations).await?;
                match look {
                    // What comes next was purged meanwhile.
                    Look::Whole(entries) | Look::Part(entries)
                        if !all.is_empty() && begins_after(&entries, next) =>
                    {
                        break;
                    }
                    Look::Whole(entries) => {
                        all.extend(entries);
                        return Ok(all);
                    }
                    // Each look gets further, however fast the memory turns over.
                    Look::Part(entries) => {
                        let Some(last) = entries.last() else { break };
                        next = last.log_id.index + 1;
                        all.extend(entries);
                        if bytes_max != usize::MAX {
                            return Ok(all);
                        }
                    }
                    Look::Overtaken => break,
                }
            }
        }
        Err(StoreError::Closed)
    }

    /// Reads what has left the memory from the disk, and the rest from memory, of a log that was cut so often.
    async fn look(
        &self,
        (from, to): (u64, u64),
        bytes_max: usize,
        truncations: u64,
    ) -> Result<Look, StoreError> {
        let (from, gap_end) = {
            let view = self.shared.view();
            if view.truncations != truncations {
                return Ok(Look::Overtaken);
            }
            let (from, to) = clamp(&view, from, to);
            if from >= view.cache.first() || from >= to {
                return Ok(Look::Whole(view.cache.read(from, to, bytes_max)));
            }
            (from, to.min(view.cache.first()))
        };
        let mut entries = self.shared.read_disk(from, gap_end, bytes_max).await?;
        let bytes: usize = entries.iter().map(entry_cost).sum();
        let view = self.shared.view();
        let first = entries.first().map_or(gap_end, |entry| entry.log_id.index);
        let next = first + entries.len() as u64;
        // Entries may be absent at the beginning of a log that has never been purged: it begins there.
        let missing = first != from && view.state.purged.is_some();
        if view.truncations != truncations || view.state.first_index() > from || missing {
            return Ok(Look::Overtaken);
        }
        let (_, to) = clamp(&view, from, to);
        if next == gap_end && next < to && bytes < bytes_max {
            if view.cache.first() > next {
                return Ok(Look::Part(entries));
            }
            entries.extend(view.cache.read(next, to, bytes_max - bytes));
        }
        Ok(Look::Whole(entries))
    }
}

fn begins_after(entries: &[Entry], index: u64) -> bool {
    entries.first().is_some_and(|first| first.log_id.index > index)
}

/// The part of `from..to` that the log holds.
fn clamp(view: &View, from: u64, to: u64) -> (u64, u64) {
    (from.max(view.state.first_index()), to.min(view.state.next_index()))
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(&end) => end.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (from, to) = bounds(&range);
        let entries = self.read(from, to, usize::MAX).await;
        entries.map_err(StoreError::into_io)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.shared.view().state.vote)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        let entries = self.read(start, end, READ_BYTES_MAX).await;
        entries.map_err(StoreError::into_io)
    }
}
