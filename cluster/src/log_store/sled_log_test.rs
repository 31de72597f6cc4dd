use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use super::{record, storage::LogStorage as _, test_support::*, *};
use crate::{
    error::StoreError,
    types::{Carried, Entry, Membership, ReplicaInfo},
};

fn open(directory: &Path, options: SledOptions) -> SledLog {
    SledLog::open(directory, "store", options, None).unwrap().0
}

fn read_all(log: &SledLog) -> Vec<Entry> {
    let state = log.state();
    let (from, to) = (state.first_index(), state.next_index());
    log.reader().read(from, to, usize::MAX).unwrap()
}

/// Without it a restart could show another log than the one that was acknowledged.
#[test]
fn a_reopened_log_is_the_one_that_was_synced() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path(), small_sled());
    log.save_vote(vote(2)).unwrap();
    log.append(&entries(2, 0..40, 100)).unwrap();
    log.sync().unwrap();
    log.truncate_after(Some(log_id(2, 24))).unwrap();
    log.save_vote(vote(3)).unwrap();
    log.append(&entries(3, 25..33, 3_000)).unwrap();
    log.purge(log_id(2, 7)).unwrap();
    log.note_committed(Some(log_id(2, 20)));
    log.sync().unwrap();
    let state = log.state();
    assert_eq!(state.last, Some(log_id(3, 32)));
    for orderly in [false, true] {
        let before = read_all(&log);
        if orderly {
            log.close().unwrap();
        }
        drop(log);
        log = open(directory.path(), small_sled());
        assert_eq!(log.state(), state);
        assert_eq!(read_all(&log), before);
        assert_eq!(before.first().unwrap().log_id, log_id(2, 8));
        assert_eq!(before.last().unwrap().log_id, log_id(3, 32));
    }
}

/// Without it a replica that stops in the midst of a change of leader would apply entries that nobody agreed on, or never
/// start again.
#[test]
fn what_is_committed_beyond_the_log_is_not_noted() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path(), small_sled());
    log.append(&entries(5, 0..10, 10)).unwrap();
    log.note_committed(Some(log_id(5, 7)));
    for beyond in [log_id(3, 12), log_id(5, 12), log_id(6, 8)] {
        log.note_committed(Some(beyond));
        assert_eq!(log.state().committed, Some(log_id(5, 7)), "{beyond}");
    }
    log.sync().unwrap();
}

/// Without it a log could not be cut any more where a change of the membership made a group longer than a record.
#[test]
fn a_membership_lies_in_a_group_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let options = small_sled();
    let room = options.record_bytes_max();
    let mut log = open(directory.path(), options);
    let member = |id: u64| {
        let name = "m".repeat(200);
        (id, ReplicaInfo { name, ..ReplicaInfo::default() })
    };
    let members: BTreeMap<_, _> = (0..20).map(member).collect();
    let members = Membership::new(vec![members.keys().copied().collect()], members).unwrap();
    let membership = Entry { log_id: log_id(1, 4), payload: Carried::Membership(members) };
    log.append(&noise(1, 0..4, room / 4 - size_of::<Entry>())).unwrap();
    log.append(std::slice::from_ref(&membership)).unwrap();
    log.append(&entries(1, 5..7, 10)).unwrap();
    log.sync().unwrap();
    for (term, keep) in [(2, log_id(1, 5)), (3, log_id(1, 4)), (4, log_id(1, 2))] {
        log.truncate_after(Some(keep)).unwrap();
        log.append(&entries(term, keep.index + 1..keep.index + 2, 10)).unwrap();
        log.sync().unwrap();
        let shown = read_all(&log);
        drop(log);
        log = open(directory.path(), small_sled());
        assert_eq!(read_all(&log), shown);
    }
}

/// Without it entries of one record could come back under another's index after a truncation inside it.
#[test]
fn a_group_can_be_cut_anywhere_and_continued() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path(), small_sled());
    log.append(&entries(1, 0..20, 10)).unwrap();
    log.sync().unwrap();
    for (term, keep) in [(2, 19), (3, 12), (4, 5), (5, 0)] {
        let last = read_all(&log)[usize::try_from(keep).unwrap()].log_id;
        log.truncate_after(Some(last)).unwrap();
        log.append(&entries(term, keep + 1..keep + 4, 10)).unwrap();
        log.sync().unwrap();
        let shown = read_all(&log);
        drop(log);
        log = open(directory.path(), small_sled());
        assert_eq!(read_all(&log), shown);
        assert_eq!(log.state().last, Some(log_id(term, keep + 3)));
    }
    log.truncate_after(None).unwrap();
    log.sync().unwrap();
    assert_eq!(log.state().last, None);
    assert!(read_all(&log).is_empty());
}

/// Without it a replica that is started with a new program would lose what the old one had written.
#[test]
fn a_log_from_before_there_was_compression_is_read_shortened_and_continued() {
    let directory = tempfile::tempdir().unwrap();
    let uncompressed = SledOptions { pack_from_bytes: usize::MAX, ..small_sled() };
    let mut log = open(directory.path(), uncompressed);
    log.append(&entries(1, 0..40, 40)).unwrap();
    log.append(&entries(1, 40..42, 3_000)).unwrap();
    log.close().unwrap();
    assert!(log.records.iter().values().all(|value| !is_packed(&value.unwrap())));
    drop(log);
    let mut log = open(directory.path(), small_sled());
    assert_eq!(read_all(&log)[..40], entries(1, 0..40, 40));
    assert_eq!(read_all(&log)[40..], entries(1, 40..42, 3_000));
    let cut =
        log.groups.iter().find(|span| span.last > span.first && span.first > 10).unwrap().first;
    log.truncate_after(Some(log_id(1, cut))).unwrap();
    log.append(&entries(2, cut + 1..60, 40)).unwrap();
    log.sync().unwrap();
    drop(log);
    let log = open(directory.path(), small_sled());
    let kept = usize::try_from(cut).unwrap() + 1;
    assert_eq!(read_all(&log)[..kept], entries(1, 0..cut + 1, 40));
    assert_eq!(read_all(&log)[kept..], entries(2, cut + 1..60, 40));
    let forms = log.records.iter().values().map(|value| is_packed(&value.unwrap()));
    let forms: Vec<bool> = forms.collect();
    assert!(forms.contains(&true) && forms.contains(&false));
}

/// Without it sled would hold the whole log in memory as large as it is.
#[test]
fn a_log_of_similar_entries_takes_a_fraction_of_their_size() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path(), SledOptions::default());
    for index in (0..2_000).step_by(20) {
        log.append(&entries(1, index..index + 20, 250)).unwrap();
        log.sync().unwrap();
    }
    let stored: usize = log.records.iter().values().map(|value| value.unwrap().len()).sum();
    assert!(stored < 2_000 * 250 / 4, "{stored}");
    assert_eq!(read_all(&log), entries(1, 0..2_000, 250));
}

/// Without it whoever must act on damage would not know where in the log it is.
#[test]
fn a_damaged_record_is_named_by_whoever_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path(), small_sled());
    for first in [0, 3, 6] {
        log.append(&entries(1, first..first + 3, 60)).unwrap();
        log.sync().unwrap();
    }
    let key = record::key(3, 0);
    let mut value = log.records.get(key).unwrap().unwrap().to_vec();
    assert!(is_packed(&value));
    *value.last_mut().unwrap() ^= 1;
    log.records.insert(key, value).unwrap();
    let error = log.reader().read(0, 9, usize::MAX).unwrap_err().to_string();
    assert!(error.contains("at entry 3: a record's checksum does not match"), "{error}");
    let error = log.truncate_after(Some(log_id(1, 4))).unwrap_err().to_string();
    assert!(error.contains("at entry 3: a record's checksum does not match"), "{error}");
    drop(log);
    let error = SledLog::open(directory.path(), "store", small_sled(), None).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("at entry 3"), "{error}");
}

/// Without it sled would move large pages to blob files, which it never syncs: a power cut would lose
/// acknowledged entries.
#[test]
fn no_blob_file_ever_appears() {
    let directory = tempfile::tempdir().unwrap();
    let options = SledOptions::default();
    let mut log = open(directory.path(), options);
    let mut random = SmallRng::seed_from_u64(7);
    let limit = options.record_bytes_max();
    let mut index = 0;
    let largest = [ENTRY_BYTES_MAX, limit, limit - 1, limit + 1];
    let sizes = largest.into_iter().chain((0..120).map(|_| random.random_range(0..limit)));
    let sizes: Vec<usize> = sizes.collect();
    for bytes in sizes {
        // What shrinks would hide how large a record can be.
        log.append(&noise(1, index..index + 1, bytes)).unwrap();
        log.sync().unwrap();
        index += 1;
        if index.is_multiple_of(20) {
            log.purge(log_id(1, index - 15)).unwrap();
            while log.tidy(256).unwrap() {}
        }
    }
    let blobs = directory.path().join("log/blobs");
    assert_eq!(fs::read_dir(blobs).unwrap().count(), 0);
    let shown = read_all(&log);
    drop(log);
    assert_eq!(read_all(&open(directory.path(), options)), shown);
}

/// Without it a proposal of any size would be accepted, and the log grow beyond what its readers can hold.
#[test]
fn an_entry_above_the_limit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path(), SledOptions::default());
    let error = log.append(&entries(1, 0..1, ENTRY_BYTES_MAX + 1)).unwrap_err();
    assert!(matches!(error, StoreError::EntryTooLarge { index: 0, .. }));
}

/// Without it a hole in the log would go unnoticed, for Raft only looks at the last entry.
#[test]
fn an_entry_that_does_not_follow_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path(), small_sled());
    log.append(&entries(1, 0..3, 10)).unwrap();
    let error = log.append(&entries(1, 4..5, 10)).unwrap_err();
    assert!(matches!(error, StoreError::Gap { found: 4, expected: 3 }));
}

/// Without it a purge of a long log would hold up appends for as long as it takes.
#[test]
fn a_purge_deletes_a_bounded_number_of_keys_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path(), small_sled());
    for index in 0..600 {
        // A sync for each entry makes a record of each.
        log.append(&entries(1, index..index + 1, 10)).unwrap();
        log.sync().unwrap();
    }
    log.purge(log_id(1, 549)).unwrap();
    log.sync().unwrap();
    assert_eq!(log.records.len(), 600);
    assert_eq!(read_all(&log).len(), 50);
    assert!(log.tidy(256).unwrap());
    assert_eq!(log.records.len(), 600 - 256);
    drop(log);
    let mut log = open(directory.path(), small_sled());
    assert_eq!(read_all(&log).len(), 50);
    assert!(log.tidy(256).unwrap());
    assert!(!log.tidy(256).unwrap());
    assert_eq!(log.records.len(), 50);
    assert_eq!(log.state().purged, Some(log_id(1, 549)));
}

/// Without it a replica that installed a snapshot ahead of its log could not go on from there.
#[test]
fn a_purge_beyond_the_end_leaves_an_empty_log_that_goes_on_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path(), small_sled());
    log.append(&entries(1, 0..5, 10)).unwrap();
    log.purge(log_id(4, 90)).unwrap();
    log.append(&entries(5, 91..93, 10)).unwrap();
    log.sync().unwrap();
    drop(log);
    let log = open(directory.path(), small_sled());
    assert_eq!(log.state().purged, Some(log_id(4, 90)));
    assert_eq!(read_all(&log), entries(5, 91..93, 10));
}

/// Without it a directory without its log would pass for a new one, and forget its votes.
#[test]
fn a_missing_log_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path(), small_sled());
    log.save_vote(vote(3)).unwrap();
    log.sync().unwrap();
    log.close().unwrap();
    drop(log);
    fs::remove_dir_all(directory.path().join("log")).unwrap();
    let error = SledLog::open(directory.path(), "store", small_sled(), None).err().unwrap();
    assert!(error.to_string().contains("joins as a new replica"), "{error}");
}

/// Without it the mark could claim what a failed sync never brought to the disk, and a healthy log be refused.
#[test]
fn a_failed_sync_leaves_the_mark_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&broken);
    let sync: super::storage::SyncCall = Box::new(move || match breaks.load(Ordering::SeqCst) {
        true => Err(io::Error::other("the disk is gone")),
        false => Ok(()),
    });
    let opened = SledLog::open(directory.path(), "store", small_sled(), Some(sync));
    let mut log = opened.unwrap().0;
    log.append(&entries(1, 0..3, 10)).unwrap();
    log.sync().unwrap();
    let mark = fs::read(directory.path().join("mark")).unwrap();
    broken.store(true, Ordering::SeqCst);
    log.append(&entries(1, 3..6, 10)).unwrap();
    let error = log.sync().unwrap_err();
    assert!(matches!(error, StoreError::Io { action: "sync", .. }));
    assert_eq!(fs::read(directory.path().join("mark")).unwrap(), mark);
}
