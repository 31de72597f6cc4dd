//! What a power cut or bit rot may leave of a log, and what must come of it.
//!
//! A run applies random operations, some of them synced. From the files as of the last sync, and as they were
//! when the power went, images are made of what the disk may hold: everything that was synced, and any part of
//! the rest.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use tempfile::TempDir;

use super::{record, storage::LogStorage as _, test_support::*, *};
use crate::{
    error::StoreError,
    types::{Entry, Vote},
};

#[derive(Clone, Debug)]
enum Operation {
    /// Of bytes that compression makes shorter, or of such as it does not.
    Append {
        count: u64,
        bytes: usize,
        dull: bool,
    },
    Vote,
    TruncateTo {
        eighths: u64,
    },
    PurgeTo {
        eighths: u64,
    },
    Sync,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (1..12u64, prop_oneof![4 => 0..200usize, 1 => 200..4_000usize], any::<bool>())
            .prop_map(|(count, bytes, dull)| Operation::Append { count, bytes, dull }),
        1 => Just(Operation::Vote),
        1 => (0..8u64).prop_map(|eighths| Operation::TruncateTo { eighths }),
        1 => (0..8u64).prop_map(|eighths| Operation::PurgeTo { eighths }),
        4 => Just(Operation::Sync),
    ]
}

/// What a log holds.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: Vec<Entry>,
    purged: Option<u64>,
    vote: Option<Vote>,
    term: u64,
}

impl Model {
    fn next(&self) -> u64 {
        let after_purged = self.purged.map_or(0, |index| index + 1);
        self.entries.last().map_or(after_purged, |last| last.log_id.index + 1)
    }

    /// An entry some eighths into the log.
    fn at(&self, eighths: u64) -> Option<&Entry> {
        let position = self.entries.len() as u64 * eighths / 8;
        self.entries.get(usize::try_from(position).unwrap())
    }
}

/// A log under test, with every state that it went through since the last sync.
struct Run {
    log: SledLog,
    states: Vec<Model>,
}

impl Run {
    fn start(directory: &Path) -> Self {
        let (mut log, _) = SledLog::open(directory, "store", small_sled(), None).unwrap();
        log.save_vote(vote(1)).unwrap();
        log.sync().unwrap();
        let first = Model { vote: Some(vote(1)), term: 1, ..Model::default() };
        Self { log, states: vec![first] }
    }

    fn now(&self) -> Model {
        self.states.last().unwrap().clone()
    }

    fn apply(&mut self, operation: &Operation) {
        let mut model = self.now();
        match *operation {
            Operation::Append { count, bytes, dull } => {
                let make = if dull { entries } else { noise };
                let added = make(model.term, model.next()..model.next() + count, bytes);
                self.log.append(&added).unwrap();
                for entry in added {
                    model.entries.push(entry);
                    self.states.push(model.clone());
                }
            }
            Operation::Vote => {
                model.term += 1;
                model.vote = Some(vote(model.term));
                self.log.save_vote(vote(model.term)).unwrap();
            }
            Operation::TruncateTo { eighths } => {
                let Some(last) = model.at(eighths).map(|entry| entry.log_id) else {
                    return;
                };
                self.log.truncate_after(Some(last)).unwrap();
                while model.entries.pop_if(|entry| entry.log_id > last).is_some() {
                    self.states.push(model.clone());
                }
            }
            Operation::PurgeTo { eighths } => {
                let Some(upto) = model.at(eighths).map(|entry| entry.log_id) else {
                    return;
                };
                self.log.purge(upto).unwrap();
                self.log.tidy(5).unwrap();
                model.purged = Some(upto.index);
                model.entries.retain(|entry| entry.log_id > upto);
            }
            Operation::Sync => {
                self.log.sync().unwrap();
                self.states.clear();
            }
        }
        self.states.push(model);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn database(directory: &Path) -> PathBuf {
    directory.join("log/db")
}

fn read_all(log: &SledLog) -> Vec<Entry> {
    let state = log.state();
    let range = state.first_index()..state.next_index();
    log.reader().read(range.start, range.end, usize::MAX).unwrap()
}

/// What `directory` shows must be one of `states`, all of which hold what was synced at least.
fn check(directory: &Path, states: &[Model]) {
    let opened = SledLog::open(directory, "store", small_sled(), None);
    let (mut log, cache) = opened.map_err(|error| error.to_string()).unwrap();
    let state = log.state();
    let shown = read_all(&log);
    let found = states.iter().find(|model| {
        model.vote == state.vote
            && model.purged == state.purged.map(|id| id.index)
            && model.entries == shown
    });
    assert!(found.is_some(), "{:?} {:?}", state, shown.len());
    assert_eq!(cache.end().max(state.first_index()), state.next_index());
    // It must be possible to go on from there.
    let next = state.next_index();
    log.append(&entries(100, next..next + 3, 50)).unwrap();
    log.sync().unwrap();
}

/// The files as they would be had the power gone: those at the last sync, and those at the end.
struct Outage {
    synced: TempDir,
    last: TempDir,
    states: Vec<Model>,
}

fn outage(operations: &[Operation]) -> Outage {
    let directory = tempfile::tempdir().unwrap();
    let mut run = Run::start(directory.path());
    let last_sync = operations.iter().rposition(|o| matches!(o, Operation::Sync));
    let (before, after) = operations.split_at(last_sync.map_or(0, |position| position + 1));
    before.iter().for_each(|operation| run.apply(operation));
    let synced = tempfile::tempdir().unwrap();
    copy(directory.path(), synced.path());
    after.iter().for_each(|operation| run.apply(operation));
    run.log.database.flush().unwrap();
    let last = tempfile::tempdir().unwrap();
    copy(directory.path(), last.path());
    Outage { synced, last, states: run.states }
}

/// A copy of the synced files whose database is `contents`.
fn image(outage: &Outage, contents: &[u8]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy(outage.synced.path(), directory.path());
    fs::write(database(directory.path()), contents).unwrap();
    directory
}

/// The bytes that were written since the last sync, from the first to the last that differs.
fn unsynced(outage: &Outage) -> (Vec<u8>, Vec<u8>, Range<usize>) {
    let synced = fs::read(database(outage.synced.path())).unwrap();
    let last = fs::read(database(outage.last.path())).unwrap();
    let differs = |&position: &usize| synced.get(position) != last.get(position);
    let first = (0..last.len()).find(differs).unwrap_or(last.len());
    let end = (0..last.len()).rfind(differs).map_or(first, |position| position + 1);
    (synced, last, first..end)
}

/// New bytes up to the cut; beyond it what was there before, or a filler where something was to be written.
fn cut_at(synced: &[u8], last: &[u8], kept: usize, filler: Option<u8>) -> Vec<u8> {
    let mut contents = last[..kept].to_vec();
    match filler {
        Some(filler) => contents.extend((kept..last.len()).map(|position| {
            let unchanged = synced.get(position).filter(|&&byte| byte == last[position]);
            unchanged.copied().unwrap_or(filler)
        })),
        None => contents.extend(synced.get(kept..).unwrap_or_default()),
    }
    contents
}

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]

    /// Without it a power cut could take what was acknowledged, or keep the replica from starting.
    #[test]
    fn a_log_cut_anywhere_after_the_last_sync_holds_all_that_was_acknowledged(
        operations in prop::collection::vec(operation(), 1..40),
        cuts in prop::collection::vec(0.0..=1.0f64, 3),
        filler in prop_oneof![Just(None), Just(Some(0)), Just(Some(0xa5u8))],
    ) {
        let outage = outage(&operations);
        let (synced, last, span) = unsynced(&outage);
        for cut in cuts {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss,
                clippy::cast_precision_loss, reason = "a position, roughly")]
            let kept = span.start + (span.len() as f64 * cut) as usize;
            let directory = image(&outage, &cut_at(&synced, &last, kept, filler));
            check(directory.path(), &outage.states);
        }
    }

    /// Without it writes that reach the disk in another order than they were made in could do harm.
    #[test]
    fn a_log_of_which_any_unsynced_sectors_are_lost_holds_all_that_was_acknowledged(
        operations in prop::collection::vec(operation(), 1..40),
        lost in prop::collection::vec(any::<bool>(), 64),
    ) {
        let outage = outage(&operations);
        let (synced, mut last, _) = unsynced(&outage);
        for (number, sector) in last.chunks_mut(SECTOR_BYTES).enumerate() {
            if lost[number % lost.len()] {
                let start = number * SECTOR_BYTES;
                sector.fill(0);
                let before = &synced[start.min(synced.len())..synced.len().min(start + SECTOR_BYTES)];
                sector[..before.len()].copy_from_slice(before);
            }
        }
        let directory = image(&outage, &last);
        check(directory.path(), &outage.states);
    }

    /// Without it a bit that rots could silently take entries or a vote that were acknowledged.
    #[test]
    fn a_bit_flipped_below_the_last_sync_is_refused_or_harmless(
        operations in prop::collection::vec(operation(), 1..40),
        positions in prop::collection::vec((0.0..1.0f64, 0..8u8), 6),
    ) {
        let mut operations = operations;
        operations.push(Operation::Sync);
        let outage = outage(&operations);
        let whole = fs::read(database(outage.synced.path())).unwrap();
        let used = whole.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        for (fraction, bit) in positions {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss,
                clippy::cast_precision_loss, reason = "a position, roughly")]
            let position = (used as f64 * fraction) as usize;
            let mut contents = whole.clone();
            contents[position] ^= 1 << bit;
            let directory = image(&outage, &contents);
            match SledLog::open(directory.path(), "store", small_sled(), None) {
                Ok(opened) => {
                    drop(opened);
                    check(directory.path(), &outage.states);
                }
                Err(error @ StoreError::Damaged { .. }) => {
                    prop_assert!(error.to_string().contains("joins as a new replica"));
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}

/// Without it the tests above could come to try one form of record alone.
#[test]
fn operations_leave_compressed_records_and_others_of_several_entries_and_of_several_parts() {
    let mut runner = TestRunner::deterministic();
    let mut seen = [[0; 2]; 2];
    for _ in 0..24 {
        let operations = prop::collection::vec(operation(), 1..40).new_tree(&mut runner).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut run = Run::start(directory.path());
        operations.current().iter().for_each(|operation| run.apply(operation));
        for span in run.log.groups.iter().filter(|span| span.first < span.last || span.parts > 1) {
            let value = run.log.records.get(record::key(span.first, 0)).unwrap().unwrap();
            seen[usize::from(is_packed(&value))][usize::from(span.parts > 1)] += 1;
        }
    }
    assert!(seen.as_flattened().iter().all(|&groups| groups > 10), "{seen:?}");
}

/// Without it sled's silent repair would pass for a healthy log: it cuts its own at the first bad byte.
#[test]
fn a_log_cut_below_the_last_sync_is_refused() {
    let operations = [
        Operation::Append { count: 30, bytes: 100, dull: true },
        Operation::Sync,
        Operation::Append { count: 1, bytes: 100, dull: false },
        Operation::Sync,
    ];
    let outage = outage(&operations);
    let whole = fs::read(database(outage.synced.path())).unwrap();
    let used = whole.iter().rposition(|&byte| byte != 0).unwrap();
    for cut in [used, used - 40, used - 200, used / 2, 0] {
        let directory = image(&outage, &whole[..cut]);
        let error = SledLog::open(directory.path(), "store", small_sled(), None).err().unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{cut}: {error}");
    }
}

/// Without it a mark that was half-written when the power went would keep the replica from starting.
#[test]
fn one_bad_slot_of_the_mark_is_survived_and_two_are_not() {
    let operations = [
        Operation::Append { count: 30, bytes: 100, dull: true },
        Operation::Sync,
        Operation::Append { count: 1, bytes: 100, dull: false },
        Operation::Sync,
    ];
    let outage = outage(&operations);
    let path = outage.synced.path().join("mark");
    let whole = fs::read(&path).unwrap();
    let mut both = whole.clone();
    for slot in [0, 512] {
        let mut flipped = whole.clone();
        flipped[slot + 9] ^= 4;
        both[slot + 9] ^= 4;
        let contents = fs::read(database(outage.synced.path())).unwrap();
        let directory = image(&outage, &contents);
        fs::write(directory.path().join("mark"), flipped).unwrap();
        check(directory.path(), &outage.states);
    }
    fs::write(&path, both).unwrap();
    let error = SledLog::open(outage.synced.path(), "store", small_sled(), None).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}
