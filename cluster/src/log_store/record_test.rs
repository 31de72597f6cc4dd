use super::{
    packer::Packer, record::*, sled_engine::SledOptions, test_support::*, unpacker::Unpacker,
};
use crate::types::{Entry, LeaderId};

/// How a test makes entries.
type Make = fn(u64, std::ops::Range<u64>, usize) -> Vec<Entry>;

fn origin(previous: Option<LeaderId>) -> Origin {
    Origin { previous, mark_sequence: 12 }
}

fn encode(written: &[Entry], origin: Origin) -> Vec<u8> {
    let mut builder = GroupBuilder::default();
    for entry in written {
        builder.push(entry, origin);
    }
    builder.take().unwrap().2
}

/// The only value of a small group, compressed from `from_bytes` on.
fn value_of(written: &[Entry], origin: Origin, from_bytes: usize) -> Vec<u8> {
    let mut packer = Packer::new(from_bytes).unwrap();
    let mut values = split(&encode(written, origin), 10_000, &mut packer).unwrap();
    assert_eq!(values.len(), 1);
    values.remove(0)
}

fn open_one(value: &[u8]) -> Result<Part<'_>, String> {
    open(0, value, &mut Unpacker::default())
}

/// Without it a group could come back with its entries changed, or under the wrong index.
#[test]
fn groups_survive_the_round_trip_in_any_number_of_parts() {
    let cases = [
        (1, 0, 100),
        (7, 30, 10_000),
        (7, 300, 10_000),
        (1, 5_000, 64),
        (1, 9_000, 4_000),
        (1, 4_096, 1),
    ];
    let mut packer = Packer::new(64).unwrap();
    let mut unpacker = Unpacker::default();
    for ((count, bytes, body_max), make) in
        cases.into_iter().flat_map(|case| [(case, entries as Make), (case, noise)])
    {
        let written = make(3, 5..5 + count, bytes);
        let origin = origin(Some(log_id(2, 0).leader_id));
        let mut builder = GroupBuilder::default();
        for entry in &written {
            builder.push(entry, origin);
        }
        let (first, taken, encoded) = builder.take().unwrap();
        assert_eq!((first, taken), (5, count));
        let values = split(&encoded, body_max, &mut packer).unwrap();
        let mut joined = Vec::new();
        for (number, value) in (0u16..).zip(&values) {
            let part = open(number, value, &mut unpacker).unwrap();
            assert_eq!(usize::from(part.parts), values.len());
            joined.extend_from_slice(&part.body);
        }
        let group = decode_group(5, joined.into()).unwrap();
        assert_eq!(group.entries, written);
        assert_eq!(group.origin, origin);
        assert!(builder.take().is_none());
    }
}

/// Without it a replica could not read, on a new program, what it wrote with one that did not compress.
#[test]
fn a_record_from_before_there_was_compression_is_read() {
    let old = [
        0x4d, 0xe5, 0xa5, 0xe8, // CRC-32 of the rest
        0x00, 0x00, 0x01, 0x00, // part 0 of 1
        0x2d, 0x00, 0x00, 0x00, // 45 bytes
        0x12, 0x04, 0x08, 0x02, 0x10, 0x01, // written after an entry of term 2, replica 1
        0x19, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // and after mark 12
        0x0a, 0x1c, 0x08, 0x03, 0x10, 0x01, 0x18, 0x05, // entry 5 of term 3, replica 1
        0x2a, 0x14, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, // 20 bytes
        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    ];
    let part = open_one(&old).unwrap();
    assert_eq!(part.parts, 1);
    let group = decode_group(5, part.body.into_owned().into()).unwrap();
    assert_eq!(group.entries, [entry(3, 5, 20)]);
    assert_eq!(group.origin, origin(Some(log_id(2, 0).leader_id)));
    // Records that are not compressed are still written so.
    assert_eq!(value_of(&group.entries, group.origin, usize::MAX), old);
}

/// Without it the log would take as much memory as before, or reading would cost more than is saved.
#[test]
fn a_body_is_compressed_if_it_is_large_enough_and_shrinks() {
    let size = |written: &[Entry]| encode(written, origin(None)).len();
    let dull = entries(3, 5..15, 100);
    let value = value_of(&dull, origin(None), size(&dull));
    assert!(is_packed(&value) && value.len() < size(&dull) / 4, "{}", value.len());
    assert!(!is_packed(&value_of(&dull, origin(None), size(&dull) + 1)));
    // Beside random payloads, the ids of the entries shrink, but by less than an eighth of the whole.
    assert!(!is_packed(&value_of(&noise(3, 5..15, 100), origin(None), 64)));
}

/// Without it a flipped bit in a record could change an acknowledged entry.
#[test]
fn every_flipped_bit_in_a_record_is_noticed() {
    for written in [noise(3, 5..6, 80), entries(3, 5..6, 400)] {
        let value = value_of(&written, origin(None), 64);
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = open_one(&flipped).unwrap_err();
            assert!(error.contains("checksum"), "bit {bit}: {error}");
        }
        assert!(open(1, &value, &mut Unpacker::default()).is_err());
        assert!(open_one(&value[..7]).is_err());
        assert!(decode_group(6, encode(&written, origin(None)).into()).is_err());
    }
}

/// A value with a right checksum, whose body says that it is compressed.
fn packed_value(frame: &[u8]) -> Vec<u8> {
    let mut rest = vec![0, 0, 1, 0];
    rest.extend((u32::try_from(frame.len()).unwrap() | 1 << 31).to_le_bytes());
    rest.extend(frame);
    let mut value = crc32fast::hash(&rest).to_le_bytes().to_vec();
    value.extend(rest);
    value
}

/// Without it a few bytes that claim to be a gigabyte, or are one, would take a replica's memory.
#[test]
fn a_frame_that_lies_about_its_size_is_refused_within_bounds() {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    // A block that repeats one byte 131,072 times: the last one, and one before others.
    const LAST: [u8; 4] = [0x03, 0x00, 0x10, b'x'];
    const ANOTHER: [u8; 4] = [0x02, 0x00, 0x10, b'x'];
    // A header of four bytes of size, and one of a window of 128 KiB and no size.
    let sized = |bytes: u32| [&[0xa0][..], &bytes.to_le_bytes()].concat();
    let frame = |header: &[u8], blocks: &[[u8; 4]]| [&MAGIC, header, &blocks.concat()].concat();
    let honest = packed_value(&frame(&sized(131_072), &[LAST]));
    assert_eq!(open_one(&honest).unwrap().body, vec![b'x'; 131_072]);
    let unsized_frame = |blocks: &[[u8; 4]]| packed_value(&frame(&[0x00, 0x38], blocks));
    assert_eq!(open_one(&unsized_frame(&[ANOTHER, LAST])).unwrap().body.len(), BODY_BYTES_MAX);
    for (what, value) in [
        ("less", packed_value(&frame(&sized(10), &[LAST]))),
        ("more", packed_value(&frame(&sized(200_000), &[LAST]))),
        ("nothing, and is too large", unsized_frame(&[ANOTHER, ANOTHER, LAST])),
        ("that it is a frame", packed_value(b"no frame")),
    ] {
        let error = open_one(&value).unwrap_err();
        assert!(error.contains("part 0 of a record does not decompress"), "{what}: {error}");
    }
    // The claim itself is what is wrong: no room was made to try it in.
    let error = open_one(&packed_value(&frame(&sized(1 << 30), &[LAST]))).unwrap_err();
    assert!(error.contains("1073741824") && error.contains("262144"), "{error}");
}

/// Without it sled's largest segments would bring records that are written and then refused.
#[test]
fn the_bound_on_a_body_is_above_every_limit() {
    let largest = SledOptions { segment_bytes: 16 * 1024 * 1024, ..SledOptions::default() };
    assert!(largest.record_bytes_max() <= BODY_BYTES_MAX);
    // What lies above it is written as it is.
    let above = vec![0; BODY_BYTES_MAX + 1];
    let values = split(&above, usize::MAX, &mut Packer::new(0).unwrap()).unwrap();
    assert_eq!(open_one(&values[0]).unwrap().body, above);
}

/// Without it sled would not keep records in the order of the log.
#[test]
fn keys_sort_as_the_log_does() {
    let pairs = [(0, 0), (0, 1), (1, 0), (255, 9), (256, 0), (u64::MAX, u16::MAX)];
    let keys: Vec<Key> = pairs.iter().map(|&(index, part)| key(index, part)).collect();
    assert!(keys.is_sorted());
    for (pair, key) in pairs.iter().zip(&keys) {
        assert_eq!(parse_key(key), Some(*pair));
    }
    assert_eq!(parse_key(b"mark"), None);
}
