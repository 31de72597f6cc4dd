use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::line::Line;
use crate::agent::outbox::Position;
use crate::agent::system::boot_id;

/// Opens a device so that reading it does not wait: the value of `O_NONBLOCK`.
const NONBLOCKING: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
/// Longest record that the kernel hands out (`CONSOLE_EXT_LOG_MAX`).
const MAX_RECORD: usize = 8 << 10;
/// What one look at a file reads at most, and the longest line in it.
const MAX_READ: usize = 64 << 10;
/// Looks in a row at a file that has no name any more, before that is said: ten seconds.
const MAX_MISSING: u32 = 50;

/// What one look at the log brought.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) lines: Vec<(Position, Line)>,
    /// Lines that the kernel let go of before they were read.
    pub(super) lost: u64,
    /// Whether there may be more at once.
    pub(super) more: bool,
}

/// Reads a log from a position on.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
    kind: Kind,
    position: Position,
}

#[derive(Debug)]
enum Kind {
    /// Each read is one record, by number.
    Device,
    /// Lines that somebody appends, by offset.
    Plain(Plain),
}

#[derive(Debug)]
struct Plain {
    path: PathBuf,
    /// The part of the last line that is there.
    begun: Vec<u8>,
    /// Looks in a row that found no file of that name.
    missing: u32,
}

impl Reader {
    /// Goes on at `known`, if it is a position of this log and this boot. Of another boot all is news; without
    /// one, nothing that is there is. A file that was moved aside meanwhile is read to its end first.
    pub(super) fn open(path: &Path, proc_dir: &Path, known: Option<&Position>) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let device = metadata.file_type().is_char_device();
        let mut options = OpenOptions::new();
        options.read(true);
        let mut log = if device {
            options.custom_flags(NONBLOCKING);
            boot_id(proc_dir)?
        } else {
            log_of(&metadata)
        };
        let mut file = options.open(path)?;
        if let Some(known) = known.filter(|known| !device && known.log != log)
            && let Some(moved) = moved_aside(path, known)
        {
            (file, log) = (moved, known.log.clone());
        }
        let kind = match device {
            true => Kind::Device,
            false => Kind::Plain(Plain { path: path.to_owned(), begun: Vec::new(), missing: 0 }),
        };
        let next = known.filter(|known| known.log == log).map_or(0, |known| known.next);
        let mut reader = Self { file, kind, position: Position { log, next } };
        if known.is_none() {
            reader.skip_to_end()?;
        } else if let Kind::Plain(_) = reader.kind {
            reader.seek_plain()?;
        }
        Ok(reader)
    }

    /// The first record that has not been read.
    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// What has come since the last look; nothing: nothing has.
    pub(super) fn look(&mut self) -> io::Result<Look> {
        match self.kind {
            Kind::Device => self.look_at_device(),
            Kind::Plain(_) => self.look_at_file(),
        }
    }

    fn skip_to_end(&mut self) -> io::Result<()> {
        match self.kind {
            Kind::Device => while self.look()?.more {},
            Kind::Plain(_) => {
                self.position.next = self.file.seek(SeekFrom::End(0))?;
            }
        }
        Ok(())
    }

    fn look_at_device(&mut self) -> io::Result<Look> {
        let mut look = Look::default();
        let mut buffer = [0; MAX_RECORD];
        while look.lines.len() < 256 {
            let count = match self.file.read(&mut buffer) {
                Ok(0) => return Ok(look),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(look),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The record to be read was overwritten; the next read goes on with the oldest there is.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => continue,
                Err(error) => return Err(error),
            };
            let line = Line::read(&String::from_utf8_lossy(&buffer[..count]));
            let Some(sequence) = line.sequence else { continue };
            if sequence < self.position.next {
                continue;
            }
            if self.position.next > 0 {
                look.lost += sequence - self.position.next;
            }
            self.position.next = sequence + 1;
            look.lines.push((self.position.clone(), line));
        }
        look.more = true;
        Ok(look)
    }

    fn look_at_file(&mut self) -> io::Result<Look> {
        let Kind::Plain(plain) = &mut self.kind else {
            return Ok(Look::default());
        };
        // Asked for first: what its writer wrote before it turned to another file is in this one by now.
        let successor = plain.successor(&self.position)?;
        let mut look = Look::default();
        let mut bytes = vec![0; MAX_READ];
        let count = self.file.read(&mut bytes)?;
        plain.begun.extend_from_slice(&bytes[..count]);
        while let Some(end) = plain.begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = plain.begun.drain(..=end).collect();
            self.position.next += line.len() as u64;
            look.push(&self.position, &line);
        }
        if plain.begun.len() > MAX_READ {
            self.position.next += plain.begun.len() as u64;
            plain.begun.clear();
        }
        look.more = count > 0;
        if let Some(file) = successor.filter(|_| count == 0) {
            // Nobody will finish its last line.
            let line = std::mem::take(&mut plain.begun);
            if !line.is_empty() {
                self.position.next += line.len() as u64;
                look.push(&self.position, &line);
            }
            self.position = Position { log: log_of(&file.metadata()?), next: 0 };
            self.file = file;
            look.more = true;
        }
        Ok(look)
    }

    fn seek_plain(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < self.position.next {
            self.position.next = 0;
        }
        self.file.seek(SeekFrom::Start(self.position.next))?;
        Ok(())
    }
}

impl Look {
    fn push(&mut self, position: &Position, line: &[u8]) {
        self.lines.push((position.clone(), Line::read(&String::from_utf8_lossy(line))));
    }
}

impl Plain {
    /// What is to be read after the file of `position`: one that took its place, once there is something in it (until
    /// then its writer may not know), or itself, where it was emptied.
    fn successor(&mut self, position: &Position) -> io::Result<Option<File>> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            // Between being moved aside and made anew.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.missing < MAX_MISSING => {
                self.missing += 1;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.missing = 0;
        let follows = match log_of(&metadata) == position.log {
            true => metadata.len() < position.next,
            false => metadata.len() > 0,
        };
        follows.then(|| File::open(&self.path)).transpose()
    }
}

/// What tells a file from one that takes its place.
fn log_of(metadata: &Metadata) -> String {
    format!("file {}:{}", metadata.dev(), metadata.ino())
}

/// The file that `known` is a position of, under another name in the same directory.
fn moved_aside(path: &Path, known: &Position) -> Option<File> {
    if !known.log.starts_with("file ") {
        return None;
    }
    let is_it = |metadata: &Metadata| log_of(metadata) == known.log && metadata.len() >= known.next;
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let entries = fs::read_dir(directory.unwrap_or(Path::new("."))).ok();
    let mut entries = entries.into_iter().flatten().flatten();
    let found = entries.find(|entry| entry.metadata().is_ok_and(|metadata| is_it(&metadata)));
    let file = found.and_then(|entry| File::open(entry.path()).ok());
    if file.is_none() {
        let path = path.display();
        tracing::warn!(%path, "another file took the log's place while no agent read it, and the old one is gone: its last lines go unread");
    }
    file
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn all(reader: &mut Reader) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let look = reader.look().unwrap();
            texts.extend(look.lines.into_iter().map(|(_, line)| line.text));
            if !look.more {
                return texts;
            }
        }
    }

    fn open(path: &Path, known: Option<&Position>) -> Reader {
        Reader::open(path, Path::new("/proc"), known).unwrap()
    }

    /// Without it a restart would lose the lines of its time, or tell old ones again.
    #[test]
    fn goes_on_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kmsg");
        append(&path, "before\n");
        let mut reader = open(&path, None);
        assert_eq!(all(&mut reader), [""; 0]);
        append(&path, "one\ntw");
        assert_eq!(all(&mut reader), ["one"]);
        append(&path, "o\n");
        assert_eq!(all(&mut reader), ["two"]);
        let known = reader.position().clone();
        drop(reader);
        append(&path, "three\n");
        assert_eq!(all(&mut open(&path, Some(&known))), ["three"]);
        // A file that took its place is all news, and so is another boot's log.
        fs::write(directory.path().join("other"), "new\n").unwrap();
        let mut reader = open(&path, Some(&known));
        assert_eq!(all(&mut reader), ["three"]);
        fs::rename(directory.path().join("other"), &path).unwrap();
        assert_eq!(all(&mut reader), ["new"]);
        let elsewhere = Position { log: "another boot".to_owned(), next: 99 };
        assert_eq!(all(&mut open(&path, Some(&elsewhere))), ["new"]);
    }

    /// Without it what was written to a log between the last look and its rotation would be lost, and an XID with it.
    #[test]
    fn a_rotated_file_is_read_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kmsg");
        let moved = directory.path().join("kmsg.1");
        append(&path, "");
        let mut reader = open(&path, None);
        append(&path, "one\n");
        assert_eq!(all(&mut reader), ["one"]);
        append(&path, "two\n");
        fs::rename(&path, &moved).unwrap();
        // Its writer has it open still, and nothing is there yet to follow.
        append(&moved, "three\n");
        assert_eq!(all(&mut reader), ["two", "three"]);
        append(&path, "");
        append(&moved, &"longer than one look\n".repeat(MAX_READ / 16));
        append(&moved, "five");
        append(&path, "six\n");
        let texts = all(&mut reader);
        assert_eq!(texts.len(), MAX_READ / 16 + 2);
        assert_eq!(texts[texts.len() - 2..], ["five", "six"]);
        append(&path, "seven\n");
        assert_eq!(all(&mut reader), ["seven"]);
        // The same while no agent runs.
        let known = reader.position().clone();
        append(&path, "eight\n");
        fs::rename(&path, &moved).unwrap();
        append(&path, "nine\n");
        assert_eq!(all(&mut open(&path, Some(&known))), ["eight", "nine"]);
        // Where the old file is gone nothing can be done; the new one is news.
        fs::remove_file(&moved).unwrap();
        assert_eq!(all(&mut open(&path, Some(&known))), ["nine"]);
    }

    /// Without it a log that was taken away for good would look like one without errors, or one that was emptied be read
    /// from its middle.
    #[test]
    fn a_file_that_is_emptied_or_gone_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kmsg");
        append(&path, "a long line before\n");
        let mut reader = open(&path, None);
        fs::write(&path, "short\n").unwrap();
        assert_eq!(all(&mut reader), ["short"]);
        fs::remove_file(&path).unwrap();
        let looks = (0..=MAX_MISSING).map(|_| reader.look());
        let failed: Vec<bool> = looks.map(|look| look.is_err()).collect();
        assert_eq!(failed.iter().position(|failed| *failed), Some(MAX_MISSING as usize));
    }

    /// Without it the device itself might not be understood.
    #[test]
    fn the_device_is_read_where_it_may_be() {
        let device = Path::new("/dev/kmsg");
        if let Err(error) = readable(device) {
            // Past the test harness, which would swallow it; where stderr is closed nobody reads it.
            let _ =
                writeln!(io::stderr(), "SKIPPED: the kernel log's device cannot be read: {error}");
            return;
        }
        let other = Position { log: "another boot".to_owned(), next: 0 };
        let mut reader = open(device, Some(&other));
        let look = reader.look().unwrap();
        let numbers = look.lines.iter().map(|(_, line)| line.sequence.unwrap());
        let numbers: Vec<u64> = numbers.collect();
        assert!(!numbers.is_empty(), "a kernel that has booted has said something");
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        let (last, _) = look.lines.last().unwrap();
        assert_eq!((last, last.next), (reader.position(), numbers[numbers.len() - 1] + 1));
        let (first, _) = &look.lines[0];
        let again = open(device, Some(first)).look().unwrap();
        assert!(
            again.lines.iter().all(|(at, _)| at.next > first.next),
            "what was read is not news"
        );
        let from_the_end = open(device, None);
        assert!(from_the_end.position().next >= last.next, "what is old is not news");
    }

    /// Whether there is a record that may be read, found out without what is tested.
    fn readable(device: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).custom_flags(NONBLOCKING).open(device)?;
        file.read(&mut [0; MAX_RECORD]).map(drop)
    }
}
