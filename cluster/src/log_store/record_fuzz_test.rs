//! Records and marks that no replica wrote.

use bytes::Bytes;
use navarch_fuzz::Target;
use navarch_proto::peer;
use prost::Message as _;

use super::{
    mark::Mark,
    packer::Packer,
    record::{GroupBuilder, Origin, decode_group, open, split},
    storage::StoredState,
    test_support::{entries, entry, log_id, noise, vote},
    unpacker::Unpacker,
};
use crate::types::Entry;

/// The bytes behind a checksum, and the checksum put right.
fn sealed(rest: &[u8]) -> Vec<u8> {
    [&crc32fast::hash(rest).to_le_bytes(), rest].concat()
}

fn group(written: &[Entry]) -> Vec<u8> {
    let origin = Origin { previous: Some(log_id(2, 0).leader_id), mark_sequence: 12 };
    let mut builder = GroupBuilder::default();
    written.iter().for_each(|entry| builder.push(entry, origin));
    builder.take().unwrap().2
}

/// Without it a record that the disk or another version of this program made up could end a replica as it starts.
#[test]
fn fuzz_records_are_opened_or_refused() {
    let mut target = Target::bytes("log-record");
    for written in [entries(3, 5..9, 30), entries(3, 5..9, 300), noise(1, 5..7, 200)] {
        for from_bytes in [64, usize::MAX] {
            let mut packer = Packer::new(from_bytes).unwrap();
            for value in split(&group(&written), 10_000, &mut packer).unwrap() {
                target = target.seed(&value[4..]);
            }
        }
    }
    target.check(|rest| {
        let mut unpacker = Unpacker::default();
        let _ = open(0, rest, &mut unpacker);
        let value = sealed(rest);
        let Ok(part) = open(0, &value, &mut unpacker) else { return };
        let _ = decode_group(5, Bytes::copy_from_slice(&part.body));
    });
}

/// Without it an entry could come back under an index that is not its own, or end the replica that reads it.
#[test]
fn fuzz_groups_are_decoded_or_refused() {
    // The last index that there is.
    let last = Entry { log_id: log_id(3, u64::MAX), ..entry(3, 5, 30) };
    let target = Target::message("log-group").seed(group(&entries(3, 5..8, 30)));
    target.seed(group(&[last])).check(|encoded| {
        let Ok(message) = peer::EntryGroup::decode(encoded) else { return };
        // The index of a record is in its key, which the disk may have changed as well.
        let first = message.entries.first().map_or(7, |entry| entry.index);
        let Ok(group) = decode_group(first, Bytes::copy_from_slice(encoded)) else { return };
        for (place, entry) in (0..).zip(&group.entries) {
            assert_eq!(entry.log_id.index, first + place);
        }
    });
}

/// Without it a mark file could end the replica as it starts.
#[test]
fn fuzz_marks_are_decoded_or_refused() {
    let state = StoredState {
        last: Some(log_id(3, 9)),
        purged: Some(log_id(1, 2)),
        vote: Some(vote(3)),
        committed: Some(log_id(3, 8)),
    };
    let mark = Mark { sequence: 7, state, durable: Some(log_id(3, 9)), closed: true };
    Target::message("log-mark").seed(&mark.encode()[4..]).check(|rest| {
        let _ = Mark::decode(rest);
        if let Some(mark) = Mark::decode(&sealed(rest)) {
            assert_eq!(Mark::decode(&mark.encode()), Some(mark));
        }
    });
}
