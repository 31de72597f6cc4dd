use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::line::Line;
use crate::agent::outbox::Position;

/// Opens a device so that reading it does not wait: the value of `O_NONBLOCK`.
const NONBLOCKING: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
/// Longest record that the kernel hands out (`CONSOLE_EXT_LOG_MAX`).
const MAX_RECORD: usize = 8 << 10;
/// What one look at a file reads at most, and the longest line in it.
const MAX_READ: usize = 64 << 10;

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
    /// Lines that somebody appends, by offset; the part of the last one that is there.
    Plain { path: PathBuf, begun: Vec<u8> },
}

impl Reader {
    /// Goes on at `known`, if it is a position of this log and this boot. Of another boot all is news; without
    /// one, nothing that is there is.
    pub(super) fn open(path: &Path, proc_dir: &Path, known: Option<&Position>) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let device = metadata.file_type().is_char_device();
        let mut options = OpenOptions::new();
        options.read(true);
        let log = if device {
            options.custom_flags(NONBLOCKING);
            let boot = fs::read_to_string(proc_dir.join("sys/kernel/random/boot_id"))?;
            boot.trim().to_owned()
        } else {
            format!("file {}:{}", metadata.dev(), metadata.ino())
        };
        let file = options.open(path)?;
        let kind = match device {
            true => Kind::Device,
            false => Kind::Plain { path: path.to_owned(), begun: Vec::new() },
        };
        let next = known.filter(|known| known.log == log).map_or(0, |known| known.next);
        let mut reader = Self { file, kind, position: Position { log, next } };
        if known.is_none() {
            reader.skip_to_end()?;
        } else if let Kind::Plain { .. } = reader.kind {
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
            Kind::Plain { .. } => self.look_at_file(),
        }
    }

    fn skip_to_end(&mut self) -> io::Result<()> {
        match self.kind {
            Kind::Device => while self.look()?.more {},
            Kind::Plain { .. } => {
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
        let Kind::Plain { path, begun } = &mut self.kind else {
            return Ok(Look::default());
        };
        let metadata = fs::metadata(&*path)?;
        let log = format!("file {}:{}", metadata.dev(), metadata.ino());
        if log != self.position.log || metadata.len() < self.position.next {
            // Another file took its place, or it was emptied: all of it is new.
            self.file = File::open(&*path)?;
            self.position = Position { log, next: 0 };
            begun.clear();
        }
        let mut look = Look::default();
        let mut bytes = vec![0; MAX_READ];
        let count = self.file.read(&mut bytes)?;
        look.more = count > 0;
        begun.extend_from_slice(&bytes[..count]);
        while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = begun.drain(..=end).collect();
            self.position.next += line.len() as u64;
            let line = Line::read(&String::from_utf8_lossy(&line));
            look.lines.push((self.position.clone(), line));
        }
        if begun.len() > MAX_READ {
            self.position.next += begun.len() as u64;
            begun.clear();
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

    /// Without it the device itself might not be understood; where it may not be read, that is what is said.
    #[test]
    fn the_device_is_read_where_it_may_be() {
        let known = Position { log: "another boot".to_owned(), next: 0 };
        match Reader::open(Path::new("/dev/kmsg"), Path::new("/proc"), Some(&known)) {
            Ok(mut reader) => match reader.look() {
                Ok(look) => {
                    assert!(look.lines.iter().all(|(_, line)| line.sequence.is_some()));
                    let next = reader.position().next;
                    assert_eq!(look.lines.last().map_or(0, |(at, _)| at.next), next);
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            },
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
