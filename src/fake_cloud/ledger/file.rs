use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::line::Line;
use crate::fake_cloud::FakeCloudError;

/// An open ledger, locked against a second fake cloud.
#[derive(Debug)]
pub struct LedgerFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Bytes of whole lines.
    pub(super) length: u64,
}

/// What an opened ledger holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Number of the last line; 0: none.
    pub last_seq: u64,
    /// Bytes of an unfinished last line that were cut off: nobody was told of it.
    pub torn_bytes: u64,
}

impl LedgerFile {
    /// Opens or creates `path`, and hands every line to `visit`, in order.
    ///
    /// # Errors
    ///
    /// The file is in use, cannot be read, or is damaged before its last line.
    pub fn open(
        path: &Path,
        mut visit: impl FnMut(Line),
    ) -> Result<(Self, Replay), FakeCloudError> {
        let fault = |source| FakeCloudError::Ledger { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = options.open(path).map_err(fault)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => FakeCloudError::LedgerInUse { path: path.to_owned() },
            TryLockError::Error(source) => fault(source),
        })?;
        sync_directory(path).map_err(fault)?;
        let mut ledger = Self { file, path: path.to_owned(), length: 0 };
        let replay = ledger.replay(&mut visit)?;
        Ok((ledger, replay))
    }

    fn replay(&mut self, visit: &mut impl FnMut(Line)) -> Result<Replay, FakeCloudError> {
        let fault = |path: &Path, source| FakeCloudError::Ledger { path: path.to_owned(), source };
        let mut reader = BufReader::new(&self.file);
        let mut replay = Replay::default();
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = reader.read_until(b'\n', &mut text);
            let bytes = read.map_err(|source| fault(&self.path, source))? as u64;
            if bytes == 0 {
                break;
            }
            if text.last() != Some(&b'\n') {
                replay.torn_bytes = bytes;
                break;
            }
            let line =
                parse(&text, replay.last_seq).map_err(|reason| FakeCloudError::LedgerDamaged {
                    path: self.path.clone(),
                    line: replay.last_seq + 1,
                    reason,
                })?;
            replay.last_seq += 1;
            self.length += bytes;
            visit(line);
        }
        if replay.torn_bytes > 0 {
            let cut = self.file.set_len(self.length);
            cut.and_then(|()| self.file.sync_data())
                .and_then(|()| self.file.seek(SeekFrom::End(0)))
                .map_err(|source| fault(&self.path, source))?;
        }
        Ok(replay)
    }
}

fn parse(text: &[u8], last_seq: u64) -> Result<Line, String> {
    let line: Line = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if line.entry.seq == last_seq + 1 {
        Ok(line)
    } else {
        Err(format!("seq is {}, not {}", line.entry.seq, last_seq + 1))
    }
}

/// Makes a newly created file's name durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
