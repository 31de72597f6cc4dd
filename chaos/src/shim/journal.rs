use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
};

use super::{Board, Deed, Note};

/// What a replica did to its files since all that was on the disk counted as synced, in the order in which it
/// took effect.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    notes: Vec<Note>,
}

impl Journal {
    /// Reads what the shim of `board` wrote. A record that a kill cut short is none: its deed was never done.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or holds something else.
    pub fn read(board: &Board) -> io::Result<Self> {
        let bytes = fs::read(board.journal())?;
        let (mut rest, mut notes) = (bytes.as_slice(), Vec::new());
        while let Some((note, further)) = Note::take(rest) {
            notes.push(note);
            rest = further;
        }
        // What is left may be one record's beginning; a record further on would be damage.
        let whole_elsewhere = (1..rest.len()).any(|at| Note::take(&rest[at..]).is_some());
        if whole_elsewhere {
            let at = bytes.len() - rest.len();
            return Err(io::Error::other(format!("the shim's journal is damaged at byte {at}")));
        }
        Ok(Self { notes })
    }

    /// All notes, each with whether a sync has made it durable. A sync covers what was done to its file, or to
    /// the names in its directory, before it began.
    pub fn judged(&self) -> Vec<(&Note, bool)> {
        let mut begun = HashMap::new();
        // For each inode, how many notes of the journal come before its last successful sync.
        let mut covered: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, note) in self.notes.iter().enumerate() {
            match note.deed {
                Deed::SyncBegins { id } => drop(begun.insert(id, at)),
                Deed::SyncEnds { id } => {
                    let since = begun.remove(&id).unwrap_or(0);
                    let entry = covered.entry(note.inode).or_default();
                    *entry = since.max(*entry);
                }
                Deed::Write { .. }
                | Deed::Truncate { .. }
                | Deed::Create { .. }
                | Deed::Rename { .. }
                | Deed::Unlink { .. }
                | Deed::MakeDirectory { .. }
                | Deed::RemoveDirectory { .. } => {}
            }
        }
        let durable = |at, note: &Note| covered.get(&note.inode).is_some_and(|&end| at < end);
        self.notes.iter().enumerate().map(|(at, note)| (note, durable(at, note))).collect()
    }

    #[cfg(test)]
    pub(super) fn of(notes: Vec<Note>) -> Self {
        Self { notes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(inode: u64) -> Note {
        Note { inode, deed: Deed::Write { offset: 0, old_size: 0, old: Vec::new() } }
    }

    /// Without it a write beside a sync could count as synced, or one before it as lost.
    #[test]
    fn a_sync_covers_what_was_before_it_began() {
        let begins = |inode, id| Note { inode, deed: Deed::SyncBegins { id } };
        let ends = |inode, id| Note { inode, deed: Deed::SyncEnds { id } };
        let notes =
            vec![write(1), begins(1, 7), write(1), write(2), ends(1, 7), begins(1, 8), write(1)];
        let journal = Journal::of(notes);
        let durable: Vec<_> = journal.judged().into_iter().map(|(_, durable)| durable).collect();
        assert_eq!(durable, [true, false, false, false, false, false, false]);
    }
}
