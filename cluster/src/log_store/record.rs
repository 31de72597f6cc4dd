use std::{borrow::Cow, ops::Range};

use bytes::{BufMut as _, Bytes};
use navarch_proto::peer;
use openraft::vote::RaftLeaderId as _;
use prost::Message as _;

use super::{packer::Packer, unpacker::Unpacker};
use crate::{
    codec::{decode_entry, encode_entry},
    types::{Entry, LeaderId},
};

/// Of every value in sled, little-endian: CRC-32 over all that follows, part number, number of parts, and how many
/// bytes of body follow, as they are stored. The body is this part of the group's encoding (`EntryGroup`), or, where
/// [`PACKED`] is set, that part as one zstd frame. The checksum is over what is stored, so that damage is found before
/// anything is decompressed.
const HEADER_BYTES: usize = 4 + 2 + 2 + 4;
const CRC_BYTES: usize = 4;
/// Where the length of the body stands.
const LENGTH: Range<usize> = 8..HEADER_BYTES;
/// In the length: the body is compressed. Records from before there was compression never have it, for a body never
/// comes near 2 GiB.
const PACKED: u32 = 1 << 31;
/// What a body comes to at most, uncompressed: above the limit that sled's largest segments, 16 MiB, would set.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1024;
/// Of a key: the group's first index and the part number, big-endian, so that keys sort as the log does.
const KEY_BYTES: usize = 8 + 2;
/// The field of `EntryGroup` that holds entries.
const ENTRIES_FIELD: u32 = 1;

/// The key of one part of a group.
pub(super) type Key = [u8; KEY_BYTES];

pub(super) fn key(first_index: u64, part: u16) -> Key {
    let mut key = [0; KEY_BYTES];
    let (index, number) = key.split_at_mut(8);
    index.copy_from_slice(&first_index.to_be_bytes());
    number.copy_from_slice(&part.to_be_bytes());
    key
}

/// The first index and the part number of a key.
pub(super) fn parse_key(bytes: &[u8]) -> Option<(u64, u16)> {
    let (index, part) = bytes.split_first_chunk::<8>()?;
    let part: [u8; 2] = part.try_into().ok()?;
    Some((u64::from_be_bytes(*index), u16::from_be_bytes(part)))
}

/// What a group was written after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The leader of the entry before the group; `None` if it begins the log.
    pub(super) previous: Option<LeaderId>,
    /// The last mark before the group.
    pub(super) mark_sequence: u64,
}

/// Entries on their way into one record.
#[derive(Debug, Default)]
pub(super) struct GroupBuilder {
    encoded: Vec<u8>,
    first_index: Option<u64>,
    count: u64,
}

impl GroupBuilder {
    /// Adds `entry`; `origin` says what it was written after.
    pub(super) fn push(&mut self, entry: &Entry, origin: Origin) {
        if self.first_index.is_none() {
            self.first_index = Some(entry.log_id.index);
            let head = peer::EntryGroup {
                entries: Vec::new(),
                previous: origin
                    .previous
                    .map(|leader| peer::LeaderId { term: leader.term, replica_id: leader.node_id }),
                mark_sequence: origin.mark_sequence,
            };
            // Protobuf messages concatenate: the entries follow one by one.
            self.encoded.extend(head.encode_to_vec());
        }
        prost::encoding::message::encode(ENTRIES_FIELD, &encode_entry(entry), &mut self.encoded);
        self.count += 1;
    }

    /// Bytes encoded so far.
    pub(super) fn len(&self) -> usize {
        self.encoded.len()
    }

    /// The first index, the number of entries and their encoding; leaves the builder empty. `None` if it was.
    pub(super) fn take(&mut self) -> Option<(u64, u64, Vec<u8>)> {
        let first_index = self.first_index.take()?;
        let count = std::mem::take(&mut self.count);
        // The next group will be about as large.
        let capacity = self.encoded.capacity();
        let encoded = std::mem::replace(&mut self.encoded, Vec::with_capacity(capacity));
        Some((first_index, count, encoded))
    }
}

/// A group's encoding as values of at most `body_max` bytes and a header, each compressed by itself if that is worth
/// it; `None` if it takes too many.
pub(super) fn split(encoded: &[u8], body_max: usize, packer: &mut Packer) -> Option<Vec<Vec<u8>>> {
    let parts = u16::try_from(encoded.len().div_ceil(body_max)).ok()?;
    let values = (0u16..).zip(encoded.chunks(body_max));
    Some(values.map(|(part, body)| seal(part, parts, body, packer)).collect())
}

fn seal(part: u16, parts: u16, body: &[u8], packer: &mut Packer) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER_BYTES + body.len());
    value.put_u32_le(0);
    value.put_u16_le(part);
    value.put_u16_le(parts);
    value.put_u32_le(0);
    let packed = packer.pack(body, &mut value);
    if !packed {
        value.extend_from_slice(body);
    }
    let stored = u32::try_from(value.len() - HEADER_BYTES).unwrap_or(PACKED - 1);
    let length = if packed { stored | PACKED } else { stored };
    value[LENGTH].copy_from_slice(&length.to_le_bytes());
    let crc = crc32fast::hash(&value[CRC_BYTES..]);
    value[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
    value
}

/// One value, checked.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) parts: u16,
    pub(super) body: Cow<'a, [u8]>,
}

/// Checks the value under part `number` of a group: checksum, length, part number. Decompresses its body if need be.
pub(super) fn open<'a>(
    number: u16,
    value: &'a [u8],
    unpacker: &mut Unpacker,
) -> Result<Part<'a>, String> {
    let (crc, rest) = value.split_first_chunk::<CRC_BYTES>().ok_or("a record is cut short")?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*crc) {
        return Err("a record's checksum does not match".to_owned());
    }
    let header =
        rest.split_first_chunk::<{ HEADER_BYTES - CRC_BYTES }>().ok_or("a record is cut short")?;
    let (&[part_0, part_1, parts_0, parts_1, length @ ..], stored) = header;
    let part = u16::from_le_bytes([part_0, part_1]);
    let parts = u16::from_le_bytes([parts_0, parts_1]);
    if part != number || part >= parts {
        return Err(format!("part {number} of a record says that it is part {part} of {parts}"));
    }
    let length = u32::from_le_bytes(length);
    if usize::try_from(length & !PACKED) != Ok(stored.len()) {
        return Err("a record's length does not match".to_owned());
    }
    let body = if length & PACKED == 0 {
        Cow::Borrowed(stored)
    } else {
        let unpacked = unpacker.unpack(stored);
        Cow::Owned(unpacked.map_err(|error| {
            format!("part {number} of a record does not decompress to at most {BODY_BYTES_MAX} bytes: {error}")
        })?)
    };
    Ok(Part { parts, body })
}

/// A group as read back.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) origin: Origin,
    pub(super) entries: Vec<Entry>,
}

/// Decodes a group and checks that its entries follow on one another from `first_index`; payloads share
/// `encoded`.
pub(super) fn decode_group(first_index: u64, encoded: Bytes) -> Result<Group, String> {
    let message = peer::EntryGroup::decode(encoded).map_err(|error| error.to_string())?;
    if message.entries.is_empty() {
        return Err("a record holds no entry".to_owned());
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(message.entries.len());
    for (offset, entry) in (0..).zip(message.entries) {
        if first_index.checked_add(offset) != Some(entry.index) {
            return Err(format!(
                "entry {} stands in place {offset} of a record that begins with {first_index}",
                entry.index
            ));
        }
        entries.push(decode_entry(entry).map_err(|error| error.to_string())?);
    }
    let previous = message.previous.map(|leader| LeaderId::new(leader.term, leader.replica_id));
    let origin = Origin { previous, mark_sequence: message.mark_sequence };
    Ok(Group { origin, entries })
}
