use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use navarch_proto::peer;
use prost::Message as _;

use super::storage::StoredState;
use crate::{
    codec::{decode_log_id, decode_vote, encode_log_id, encode_vote},
    directory::sync_directory,
    error::StoreError,
    types::LogId,
};

/// One slot of the file: length, CRC-32, message. An encoded mark takes at most about 150 bytes.
const SLOT_BYTES: usize = 512;
const SLOT_HEADER_BYTES: usize = 4 + 4;

/// What the log holds beside entries, at one moment. sled holds it as the last thing of each batch; the mark
/// file holds the last one that was synced. Where sled's is older than the file's, sled has lost what it had
/// acknowledged: it repairs itself by cutting its log at the first bad byte, without a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Rises with each write.
    pub(super) sequence: u64,
    pub(super) state: StoredState,
    /// All entries up to here were synced before the mark was written.
    pub(super) durable: Option<LogId>,
    /// The store was closed in order.
    pub(super) closed: bool,
}

impl Mark {
    /// CRC-32 and message.
    pub(super) fn encode(&self) -> Vec<u8> {
        let message = peer::LogMark {
            sequence: self.sequence,
            last_log_id: self.state.last.as_ref().map(encode_log_id),
            purged_log_id: self.state.purged.as_ref().map(encode_log_id),
            durable_log_id: self.durable.as_ref().map(encode_log_id),
            vote: self.state.vote.as_ref().map(encode_vote),
            committed_log_id: self.state.committed.as_ref().map(encode_log_id),
            closed: self.closed,
        };
        let mut bytes = vec![0; 4];
        bytes.extend(message.encode_to_vec());
        let crc = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (crc, encoded) = bytes.split_first_chunk::<4>()?;
        if crc32fast::hash(encoded) != u32::from_le_bytes(*crc) {
            return None;
        }
        let message = peer::LogMark::decode(encoded).ok()?;
        Some(Self {
            sequence: message.sequence,
            state: StoredState {
                last: message.last_log_id.as_ref().map(decode_log_id),
                purged: message.purged_log_id.as_ref().map(decode_log_id),
                vote: message.vote.as_ref().map(decode_vote),
                committed: message.committed_log_id.as_ref().map(decode_log_id),
            },
            durable: message.durable_log_id.as_ref().map(decode_log_id),
            closed: message.closed,
        })
    }
}

/// The last synced [`Mark`], in a file beside sled. It is written after each sync and never synced itself, so
/// it costs no disk access: what it says is always true, and a power cut can only make it lag. Two slots take
/// turns, so that a torn write leaves the other.
#[derive(Debug)]
pub(super) struct MarkFile {
    path: PathBuf,
    file: File,
    /// The slot to write next: never the one that holds the newest mark.
    next_slot: u64,
}

impl MarkFile {
    /// Opens or creates the file; the newest mark in it, or `None` if it holds none.
    pub(super) fn open(directory: &Path) -> Result<(Self, Option<Mark>), StoreError> {
        let path = directory.join("mark");
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        if is_new {
            file.sync_all().map_err(StoreError::io("sync", &path))?;
            sync_directory(directory)?;
        }
        let mut slots = [0; 2 * SLOT_BYTES];
        let length = read_up_to(&file, &mut slots).map_err(StoreError::io("read", &path))?;
        let newest = (0u64..)
            .zip(slots.chunks(SLOT_BYTES))
            .filter_map(|(slot, bytes)| Some((slot, read_slot(bytes)?)))
            .max_by_key(|(_, mark)| (mark.sequence, mark.closed));
        if newest.is_none() && slots[..length].iter().any(|&byte| byte != 0) {
            // Both slots bad is no torn write: what was acknowledged can no longer be known.
            return Err(StoreError::damaged(path, "neither of its two checksums matches"));
        }
        let next_slot = newest.as_ref().map_or(0, |(slot, _)| 1 - slot);
        let file = Self { path, file, next_slot };
        Ok((file, newest.map(|(_, mark)| mark)))
    }

    pub(super) fn write(&mut self, mark: &Mark) -> Result<(), StoreError> {
        let encoded = mark.encode();
        let mut slot = Vec::with_capacity(SLOT_HEADER_BYTES + encoded.len());
        slot.extend(u32::try_from(encoded.len()).unwrap_or(u32::MAX).to_le_bytes());
        slot.extend(encoded);
        let offset = self.next_slot * SLOT_BYTES as u64;
        self.next_slot = 1 - self.next_slot;
        self.file.write_all_at(&slot, offset).map_err(StoreError::io("write", &self.path))
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(StoreError::io("sync", &self.path))
    }
}

fn read_up_to(file: &File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read_at(&mut buffer[length..], length as u64)? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

fn read_slot(slot: &[u8]) -> Option<Mark> {
    let (length, rest) = slot.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    Mark::decode(rest.get(..length)?)
}
