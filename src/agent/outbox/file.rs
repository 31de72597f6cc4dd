use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
};

use prost::Message as _;

use super::record::Record;

/// Begins each record, so that the next whole one is found behind damage.
const MARK: [u8; 4] = *b"\xf7NVQ";
/// Mark, length and checksum.
const HEAD: usize = 12;
/// Longest record; a batch of ids is far below it.
const MAX_RECORD: usize = 4 << 20;
/// What is left of a record that was being written when the power went may be longer than this only in theory.
const MAX_TORN: usize = 64 << 10;

/// Records one behind the other: `mark, length, CRC-32, message`, numbers little-endian.
#[derive(Debug)]
pub(super) struct QueueFile {
    path: PathBuf,
    file: File,
    /// Up to where the file is known to be good.
    length: u64,
}

/// What a file was found to hold.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    /// Bytes of a last record that was never finished; they have been cut off.
    pub(super) torn: usize,
    /// Where a copy of what cannot be read was kept, and which bytes those are.
    pub(super) damaged: Option<(PathBuf, Vec<Range<usize>>)>,
}

impl QueueFile {
    /// Opens the file, or makes it. Damage is copied aside under a name with `stamp`.
    pub(super) fn open(path: &Path, stamp: u64) -> io::Result<(Self, Found)> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (records, damage, end) = scan(&bytes);
        let damaged = match damage.is_empty() {
            true => None,
            false => {
                let aside = path.with_extension(format!("damaged-{stamp}"));
                let mut copy = File::create(&aside)?;
                copy.write_all(&bytes)?;
                copy.sync_all()?;
                Some((aside, damage))
            }
        };
        let torn = bytes.len() - end;
        file.set_len(end as u64)?;
        file.seek(SeekFrom::End(0))?;
        let queue = Self { path: path.to_owned(), file, length: end as u64 };
        Ok((queue, Found { records, torn, damaged }))
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Adds records; with `sync` they are on the disk when this returns. Nothing of them stays where it fails, as
    /// far as the disk lets itself be told.
    pub(super) fn append(&mut self, records: &[Record], sync: bool) -> io::Result<()> {
        let bytes = encode(records);
        let written = self.file.write_all(&bytes).and_then(|()| match sync {
            true => self.file.sync_data(),
            false => Ok(()),
        });
        match written {
            Ok(()) => self.length += bytes.len() as u64,
            Err(_) => {
                // Where this fails too the file is written anew before anything else is added.
                let _ = self.file.set_len(self.length);
                let _ = self.file.seek(SeekFrom::Start(self.length));
            }
        }
        written
    }

    /// From now on writes go elsewhere, as they do when the disk under the file changes its mind.
    #[cfg(test)]
    pub(super) fn divert(&mut self, file: File) {
        self.file = file;
    }

    /// Replaces the file as a whole: either the old or the new one is there after a crash.
    pub(super) fn rewrite(&mut self, records: &[Record]) -> io::Result<()> {
        let bytes = encode(records);
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.file = file;
        self.length = bytes.len() as u64;
        match self.path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let message = record.encode_to_vec();
        bytes.extend_from_slice(&MARK);
        // Bounds far below 4 GiB keep every record below it.
        bytes.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&message).to_le_bytes());
        bytes.extend_from_slice(&message);
    }
    bytes
}

/// All whole records, the ranges between them that cannot be read, and where the last whole one ends. What follows
/// it is torn, or damage too where it is longer than one write.
fn scan(bytes: &[u8]) -> (Vec<Record>, Vec<Range<usize>>, usize) {
    let (mut records, mut damage) = (Vec::new(), Vec::new());
    let (mut at, mut end) = (0, 0);
    while at < bytes.len() {
        match record_at(&bytes[at..]) {
            Some((record, length)) => {
                if at > end {
                    damage.push(end..at);
                }
                records.push(record);
                at += length;
                end = at;
            }
            None => {
                let next = bytes[at + 1..].windows(MARK.len()).position(|four| four == MARK);
                at = next.map_or(bytes.len(), |offset| at + 1 + offset);
            }
        }
    }
    if bytes.len() - end > MAX_TORN {
        damage.push(end..bytes.len());
    }
    (records, damage, end)
}

fn record_at(bytes: &[u8]) -> Option<(Record, usize)> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let number = |range: Range<usize>| Some(u32::from_le_bytes(head.get(range)?.try_into().ok()?));
    if !head.starts_with(&MARK) {
        return None;
    }
    let (length, checksum) = (usize::try_from(number(4..8)?).ok()?, number(8..12)?);
    let message = rest.get(..length).filter(|_| length <= MAX_RECORD)?;
    if crc32fast::hash(message) != checksum {
        return None;
    }
    Some((Record::decode(message).ok()?, HEAD + length))
}

#[cfg(test)]
mod tests {
    use navarch_fuzz::Target;
    use navarch_proto::api::HealthEvent;

    use super::*;
    use crate::agent::outbox::record::{Position, Sealed};

    fn record(id: &str) -> Record {
        Record::of(HealthEvent { event_id: id.to_owned(), ..HealthEvent::default() })
    }

    fn file(directory: &tempfile::TempDir) -> PathBuf {
        directory.path().join("events.queue")
    }

    /// Without it a kill in the middle of a write would cost the events before it, or stop the agent for good.
    #[test]
    fn a_torn_tail_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(&directory);
        let (mut queue, found) = QueueFile::open(&path, 1).unwrap();
        assert_eq!(found, Found::default());
        queue.append(&[record("a"), record("b")], true).unwrap();
        let whole = queue.length();
        queue.append(&[record("c")], true).unwrap();
        let full = fs::read(&path).unwrap();
        for length in usize::try_from(whole).unwrap()..full.len() {
            fs::write(&path, &full[..length]).unwrap();
            let (mut queue, found) = QueueFile::open(&path, 1).unwrap();
            assert_eq!(found.records, [record("a"), record("b")], "{length}");
            assert_eq!((found.torn as u64, found.damaged), (length as u64 - whole, None));
            queue.append(&[record("d")], true).unwrap();
            let (_, found) = QueueFile::open(&path, 1).unwrap();
            assert_eq!(found.records, [record("a"), record("b"), record("d")]);
        }
    }

    /// Without it a bad block would silently cost all events behind it.
    #[test]
    fn a_damaged_middle_is_named_and_kept_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(&directory);
        let (mut queue, _) = QueueFile::open(&path, 1).unwrap();
        queue.append(&[record("a")], true).unwrap();
        let first = usize::try_from(queue.length()).unwrap();
        queue.append(&[record("b"), record("c")], true).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[first + HEAD + 2] ^= 0x40;
        fs::write(&path, &bytes).unwrap();
        let (_, found) = QueueFile::open(&path, 42).unwrap();
        assert_eq!(found.records, [record("a"), record("c")]);
        let (aside, ranges) = found.damaged.unwrap();
        assert_eq!(ranges.as_slice(), std::slice::from_ref(&(first..2 * first)));
        assert!(aside.to_string_lossy().ends_with("events.damaged-42"));
        assert_eq!(fs::read(aside).unwrap(), bytes);
    }

    /// Without it a file would grow for ever, or be lost when it is written anew.
    #[test]
    fn a_file_written_anew_holds_what_it_should() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(&directory);
        let (mut queue, _) = QueueFile::open(&path, 1).unwrap();
        queue.append(&[record("a"), record("b")], true).unwrap();
        queue.rewrite(&[record("b")]).unwrap();
        queue.append(&[record("c")], true).unwrap();
        assert_eq!(queue.length(), fs::metadata(&path).unwrap().len());
        assert_eq!(QueueFile::open(&path, 1).unwrap().1.records, [record("b"), record("c")]);
    }

    /// Without it a file of rubbish could end the agent, or a damaged one cost what is whole in it.
    #[test]
    fn fuzz_queues_are_scanned() {
        let removed = Record { removed: vec!["a".to_owned()], dropped: 3, ..Record::default() };
        let records = [record("a"), record("b"), removed];
        let target = Target::bytes("outbox").seed(encode(&records));
        target.seed(encode(&records[..1])).check(|bytes| {
            let (records, damage, end) = scan(bytes);
            assert!(end <= bytes.len());
            assert!(damage.iter().all(|range| range.start < range.end && range.end <= bytes.len()));
            // What was written anew from it is whole.
            let again = encode(&records);
            assert_eq!(scan(&again), (records, Vec::new(), again.len()));
        });
    }

    /// Without it a record that another version wrote could end the agent.
    #[test]
    fn fuzz_records_are_read_or_passed_over() {
        let seed = Record {
            sealed: Some(Sealed { request_id: "r".to_owned(), count: 3 }),
            position: Some(Position { log: "boot".to_owned(), next: 7 }),
            ..record("a")
        };
        Target::message("outbox-record").seed(seed.encode_to_vec()).check(|message| {
            let length = u32::try_from(message.len()).unwrap().to_le_bytes();
            let checksum = crc32fast::hash(message).to_le_bytes();
            let bytes = [&MARK[..], &length, &checksum, message].concat();
            let (records, _, end) = scan(&bytes);
            assert_eq!(end == bytes.len(), records.len() == 1);
        });
    }
}
