use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// Slots of eight bytes.
const SLOTS: usize = 32;

/// What the harness sets; the numbers are those of `shim.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Lever {
    /// The `errno` that every sync fails with; 0: none.
    SyncError = 1,
    /// The `errno` that every write and creation fails with; 0: none.
    WriteError = 2,
    /// How much longer every sync takes, microseconds.
    SyncDelayUs = 3,
    /// How much longer every write takes, microseconds.
    WriteDelayUs = 4,
    /// What the wall clock shows more, milliseconds.
    ClockOffsetMs = 5,
    /// The offset comes and goes with this period, milliseconds; 0: it stays.
    StrobeMs = 6,
    /// 1: syncs count as if they had made nothing durable. No honest disk does so: it shows that a run can fail.
    ForgetSyncs = 7,
}

/// What the shim counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Counter {
    /// The process that it was loaded into last; 0: none.
    Attached = 0,
    /// Syncs that succeeded.
    Syncs = 16,
    /// Syncs that were made to fail.
    FailedSyncs = 17,
    /// Writes and creations that were made to fail.
    FailedWrites = 18,
    /// Calls that were made to take longer.
    Delayed = 19,
    /// Readings of the wall clock that were shifted.
    Shifted = 20,
    /// Records of the journal.
    Noted = 21,
    /// Deeds that the journal could not take: cuts made from it are worth nothing.
    Trouble = 22,
}

/// The levers and counters of one replica, the journal of what it did to its files, and the files that it would
/// otherwise have lost.
#[derive(Debug)]
pub struct Board {
    folder: PathBuf,
    data_dir: PathBuf,
    library: PathBuf,
    file: File,
}

impl Board {
    /// Makes the files in `folder`, and the data directory: whose creation belongs to nobody's journal.
    pub(super) fn lay_out(folder: &Path, data_dir: &Path, library: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(folder.join("board"))?;
        file.set_len(u64::try_from(SLOTS * size_of::<u64>()).unwrap_or(u64::MAX))?;
        let (folder, data_dir, library) =
            (folder.to_owned(), data_dir.to_owned(), library.to_owned());
        let board = Self { folder, data_dir, library, file };
        board.forget()?;
        Ok(board)
    }

    /// What the replica needs in its environment.
    pub fn environment(&self) -> [(String, String); 5] {
        let told = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        [
            told("LD_PRELOAD", &self.library),
            told("NAVARCH_SHIM_BOARD", &self.folder.join("board")),
            told("NAVARCH_SHIM_JOURNAL", &self.journal()),
            told("NAVARCH_SHIM_DATA", &self.data_dir),
            told("NAVARCH_SHIM_KEPT", &self.kept()),
        ]
    }

    /// Pulls a lever, from the next call on.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn pull(&self, lever: Lever, value: i64) -> io::Result<()> {
        self.file.write_all_at(&value.to_le_bytes(), lever as u64 * 8)
    }

    /// What was counted since the files were made.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn count(&self, counter: Counter) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, counter as u64 * 8)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Takes all that is on the disk now as synced, and makes the data directory where there is none. The replica
    /// must not run.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn forget(&self) -> io::Result<()> {
        if self.kept().exists() {
            fs::remove_dir_all(self.kept())?;
        }
        fs::create_dir_all(self.kept())?;
        fs::create_dir_all(&self.data_dir)?;
        fs::write(self.journal(), "")
    }

    /// The replica's data.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// Where files lie that have lost their last name, or lost it to another.
    pub(super) fn kept(&self) -> PathBuf {
        self.folder.join("kept")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a lever could be another one's, or negative jumps of the clock would be none.
    #[test]
    fn levers_lie_where_the_library_looks() {
        let directory = tempfile::tempdir().unwrap();
        let (folder, data) = (directory.path().join("r1.shim"), directory.path().join("r1"));
        let board = Board::lay_out(&folder, &data, Path::new("/none.so")).unwrap();
        board.pull(Lever::ClockOffsetMs, -3_600_000).unwrap();
        let bytes = fs::read(folder.join("board")).unwrap();
        assert_eq!(bytes.len(), SLOTS * 8);
        assert_eq!(&bytes[40..48], (-3_600_000_i64).to_le_bytes());
        assert!(data.is_dir() && board.kept().is_dir());
        assert_eq!(board.count(Counter::Trouble).unwrap(), 0);
        let source = include_str!("../../shim/shim.c");
        let positions = ["SYNC_ERROR,", "WRITE_ERROR,", "SYNC_DELAY_US,", "WRITE_DELAY_US,"];
        let found: Vec<_> = positions.iter().map(|name| source.find(name).unwrap()).collect();
        assert!(found.is_sorted());
    }
}
