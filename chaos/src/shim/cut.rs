use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use navarch_host::Chance;
use serde::Serialize;

use super::{Board, Counter, Deed, Journal, Note, Survivors};

/// What a power cut did to the files of one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Writes and truncations that no sync had made durable.
    pub unsynced: usize,
    /// Of them those that are wholly gone.
    pub lost: usize,
    /// Of them those of which a part is gone.
    pub torn: usize,
    /// Names that no sync of their directory had made durable.
    pub unsynced_names: usize,
    /// Of them those that are gone again.
    pub lost_names: usize,
}

/// A power cut: the files of a replica, which was just killed, as a disk would have them.
pub struct Cut<'a> {
    board: &'a Board,
    chance: &'a Chance,
    survivors: Survivors,
    files: HashMap<u64, File>,
    damage: Damage,
}

/// A write that was taken back, and what it had written.
struct Undone {
    inode: u64,
    offset: u64,
    new: Vec<u8>,
}

impl<'a> Cut<'a> {
    /// Brings the files of `board` to what was synced, and lets `survivors` of the rest stand. From then on all of
    /// it counts as synced.
    ///
    /// # Errors
    ///
    /// If the journal is not whole, or a file cannot be changed.
    pub fn make(board: &'a Board, chance: &'a Chance, survivors: Survivors) -> io::Result<Damage> {
        let trouble = board.count(Counter::Trouble)?;
        if trouble > 0 || board.count(Counter::Attached)? == 0 {
            let problem = format!("the shim was not loaded, or missed {trouble} deeds");
            return Err(io::Error::other(problem));
        }
        let journal = Journal::read(board)?;
        let mut files = HashMap::new();
        for folder in [board.data_dir(), &board.kept()] {
            open_all(folder, &mut files)?;
        }
        let mut cut = Self { board, chance, survivors, files, damage: Damage::default() };
        let lost: Vec<_> = journal.judged().into_iter().filter(|(_, durable)| !durable).collect();
        let lost: Vec<&Note> = lost.into_iter().map(|(note, _)| note).collect();
        let gone = cut.names_to_go(&lost);
        let undone = cut.take_back(&lost, &gone)?;
        cut.let_stand(&undone)?;
        let damage = cut.damage;
        board.forget()?;
        Ok(damage)
    }

    /// The places in `lost` of the names that do not survive.
    fn names_to_go(&mut self, lost: &[&Note]) -> HashSet<usize> {
        let mut by_folder: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (place, note) in lost.iter().enumerate().filter(|(_, note)| note.is_of_a_name()) {
            by_folder.entry(note.inode).or_default().push(place);
        }
        let mut gone = HashSet::new();
        for places in by_folder.values() {
            let kept = self.survivors.names(self.chance, places.len());
            self.damage.unsynced_names += places.len();
            self.damage.lost_names += places.len() - kept;
            gone.extend(places.iter().skip(kept));
        }
        gone
    }

    /// Undoes what was never synced, the last first.
    fn take_back(&mut self, lost: &[&Note], gone: &HashSet<usize>) -> io::Result<Vec<Undone>> {
        let mut undone = Vec::new();
        for (place, note) in lost.iter().enumerate().rev() {
            match &note.deed {
                Deed::SyncBegins { .. } | Deed::SyncEnds { .. } => {}
                Deed::Write { offset, old_size, old } => {
                    self.damage.unsynced += 1;
                    if let Some(file) = self.files.get(&note.inode) {
                        undone.push(take_back_write(file, note.inode, *offset, (*old_size, old))?);
                    }
                }
                Deed::Truncate { length, old_size, old } => {
                    self.damage.unsynced += 1;
                    self.damage.lost += 1;
                    if let Some(file) = self.files.get(&note.inode) {
                        file.set_len(*old_size)?;
                        file.write_all_at(old, *length)?;
                    }
                }
                Deed::Create { .. }
                | Deed::Rename { .. }
                | Deed::Unlink { .. }
                | Deed::MakeDirectory { .. }
                | Deed::RemoveDirectory { .. } => {
                    if gone.contains(&place) {
                        self.take_back_name(&note.deed)?;
                    }
                }
            }
        }
        undone.reverse();
        Ok(undone)
    }

    fn take_back_name(&self, deed: &Deed) -> io::Result<()> {
        let kept = |number: &u64| self.board.kept().join(number.to_string());
        match deed {
            Deed::Create { path } => unless_missing(fs::remove_file(path)),
            Deed::Rename { from, to, kept: number } => {
                unless_missing(fs::rename(to, from))?;
                number.as_ref().map_or(Ok(()), |number| fs::rename(kept(number), to))
            }
            Deed::Unlink { path, kept: number } => {
                number.as_ref().map_or(Ok(()), |number| fs::rename(kept(number), path))
            }
            // Without its name nothing in it can be reached.
            Deed::MakeDirectory { path } => unless_missing(fs::remove_dir_all(path)),
            Deed::RemoveDirectory { path } => fs::create_dir_all(path),
            Deed::Write { .. }
            | Deed::Truncate { .. }
            | Deed::SyncBegins { .. }
            | Deed::SyncEnds { .. } => Ok(()),
        }
    }

    /// Writes again what survives, the first first.
    fn let_stand(&mut self, undone: &[Undone]) -> io::Result<()> {
        for Undone { inode, offset, new } in undone {
            let length = u64::try_from(new.len()).unwrap_or(u64::MAX);
            let parts = self.survivors.parts(self.chance, *offset, length);
            let stands: u64 = parts.iter().map(|(from, to)| to - from).sum();
            self.damage.lost += usize::from(stands == 0);
            self.damage.torn += usize::from(stands > 0 && stands < length);
            let Some(file) = self.files.get(inode) else { continue };
            for (from, to) in parts {
                let place = |at: u64| usize::try_from(at - offset).unwrap_or(usize::MAX);
                if let Some(part) = new.get(place(from)..place(to)) {
                    file.write_all_at(part, from)?;
                }
            }
        }
        Ok(())
    }
}

/// Puts the old bytes back. What was written is read first: all later writes are undone already.
fn take_back_write(
    file: &File,
    inode: u64,
    offset: u64,
    (old_size, old): (u64, &[u8]),
) -> io::Result<Undone> {
    let size = file.metadata()?.len();
    // A write covers what it replaced, and beyond the old end whatever it added.
    let replaced = offset + u64::try_from(old.len()).unwrap_or(u64::MAX);
    let end = if size > old_size { size } else { replaced };
    let mut new = vec![0; usize::try_from(end.saturating_sub(offset)).unwrap_or(0)];
    file.read_exact_at(&mut new, offset)?;
    file.write_all_at(old, offset)?;
    file.set_len(old_size)?;
    Ok(Undone { inode, offset, new })
}

/// Opens every file below `folder`, by its inode.
fn open_all(folder: &Path, files: &mut HashMap<u64, File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        let status = fs::symlink_metadata(&path)?;
        if status.is_dir() {
            open_all(&path, files)?;
        } else if status.is_file() {
            files.insert(status.ino(), OpenOptions::new().read(true).write(true).open(&path)?);
        }
    }
    Ok(())
}

/// What is not there need not be removed: the deed was noted, and the kill came before it.
fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
