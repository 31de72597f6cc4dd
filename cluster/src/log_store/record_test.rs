use super::{record::*, test_support::*};
use crate::types::LeaderId;

fn origin(previous: Option<LeaderId>) -> Origin {
    Origin { previous, mark_sequence: 12 }
}

/// Without it a group could come back with its entries changed, or under the wrong index.
#[test]
fn groups_survive_the_round_trip_in_any_number_of_parts() {
    for (count, bytes, body_max) in [(1, 0, 100), (7, 30, 10_000), (1, 5_000, 64), (1, 4_096, 1)] {
        let written = entries(3, 5..5 + count, bytes);
        let origin = origin(Some(log_id(2, 0).leader_id));
        let mut builder = GroupBuilder::default();
        for entry in &written {
            builder.push(entry, origin);
        }
        let (first, taken, encoded) = builder.take().unwrap();
        assert_eq!((first, taken), (5, count));
        let values = split(&encoded, body_max).unwrap();
        let mut joined = Vec::new();
        for (number, value) in (0u16..).zip(&values) {
            let part = open(number, value).unwrap();
            assert_eq!(usize::from(part.parts), values.len());
            joined.extend_from_slice(part.body);
        }
        let group = decode_group(5, joined.into()).unwrap();
        assert_eq!(group.entries, written);
        assert_eq!(group.origin, origin);
        assert!(builder.take().is_none());
    }
}

/// Without it a flipped bit in a record could change an acknowledged entry.
#[test]
fn every_flipped_bit_in_a_record_is_noticed() {
    let mut builder = GroupBuilder::default();
    builder.push(&entry(3, 5, 20), origin(None));
    let (_, _, encoded) = builder.take().unwrap();
    let value = split(&encoded, 1_000).unwrap().remove(0);
    for bit in 0..value.len() * 8 {
        let mut flipped = value.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(open(0, &flipped).is_err(), "bit {bit}");
    }
    assert!(open(1, &value).is_err());
    assert!(open(0, &value[..7]).is_err());
    assert!(decode_group(6, encoded.into()).is_err());
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
