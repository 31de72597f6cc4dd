//! Logs and snapshots that nobody wrote: histories of the property test, with what is in them changed.

use std::io;

use bytes::Bytes;
use navarch_fuzz::Target;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use prost::Message;

use super::{
    harness::{Fleet, apply_spec, open_session, spec},
    properties::{check_joins, is_accepted, records},
    steps::{Step, step},
};
use crate::{Applied, ApplyFault, FleetState};

/// Entries of a log, one after another from index 1.
#[derive(Clone, PartialEq, Message)]
struct Log {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    entries: Vec<Bytes>,
}

/// Histories as [`Step`]s make them, the first two entries included.
fn logs(count: usize, steps: usize) -> Vec<(Log, FleetState)> {
    let mut runner = TestRunner::deterministic();
    let history = prop::collection::vec(step(), steps);
    let log = |_| {
        let history: Vec<Step> = history.new_tree(&mut runner).unwrap().current();
        let (mut fleet, mut log) = (Fleet::empty(), Log::default());
        for kind in [open_session(), apply_spec(spec())] {
            let envelope = fleet.envelope(kind);
            log.entries.push(envelope.encode_to_vec().into());
            fleet.apply_envelope(&envelope);
        }
        for step in &history {
            let envelope = step.envelope(&mut fleet);
            log.entries.push(envelope.encode_to_vec().into());
            fleet.apply_envelope(&envelope);
        }
        (log, fleet.state)
    };
    (0..count).map(log).collect()
}

/// What each entry came to. One that is refused, or not understood, has left the records as they were.
fn replay(log: &Log) -> (FleetState, Vec<Result<Applied, ApplyFault>>) {
    let mut state = FleetState::default();
    let mut outcomes = Vec::new();
    for (index, entry) in (1..).zip(&log.entries) {
        let before = state.clone();
        let outcome = state.apply(index, entry);
        match &outcome {
            Ok(applied) if is_accepted(applied) => {}
            Ok(_) => assert_eq!(records(&state), records(&before), "{outcome:?}"),
            Err(_) => assert_eq!(state.hash(), before.hash(), "{outcome:?}"),
        }
        outcomes.push(outcome);
    }
    (state, outcomes)
}

fn restored(bytes: &[u8]) -> FleetState {
    FleetState::read_snapshot(&mut &*bytes).expect("what was written is read")
}

fn written(state: &FleetState) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.write_snapshot(&mut bytes).unwrap();
    bytes
}

/// Without it one entry could end every replica at the same index for good, or make them differ.
#[test]
fn fuzz_entries_are_applied_or_refused_alike() {
    let target = Target::message("fleet-log").cases(250);
    let seeds = logs(24, 30).into_iter().map(|(log, _)| log.encode_to_vec());
    seeds.fold(target, Target::seed).check(|input| {
        let Ok(log) = Log::decode(input) else { return };
        let ((state, outcomes), (again, others)) = (replay(&log), replay(&log));
        assert_eq!(outcomes, others);
        assert_eq!(state.hash(), again.hash());
        let fleet = Fleet { state, index: 0, now_ms: 0 };
        fleet.check_indexes();
        check_joins(&fleet.state);
        let restored = restored(&written(&fleet.state));
        assert_eq!(restored.hash(), fleet.state.hash());
        Fleet { state: restored, index: 0, now_ms: 0 }.check_indexes();
    });
}

/// Without it a damaged snapshot could end the replica that reads it, or become a state that no log leads to.
#[test]
fn fuzz_snapshots_are_read_or_refused() {
    // A snapshot is its items, each behind its length: as fields of a message they are changed one by one.
    let items = |state: &FleetState| {
        let (bytes, mut log) = (written(state), Log::default());
        let mut rest = Bytes::from(bytes);
        while let Ok(length) = prost::decode_length_delimiter(&mut rest) {
            log.entries.push(rest.split_to(length));
        }
        log.encode_to_vec()
    };
    let snapshot = |log: &Log| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for item in &log.entries {
            prost::encode_length_delimiter(item.len(), &mut bytes)?;
            bytes.extend_from_slice(item);
        }
        Ok(bytes)
    };
    let target = Target::message("fleet-snapshot").cases(600);
    let seeds = logs(24, 60).into_iter().map(|(_, state)| items(&state));
    seeds.fold(target, Target::seed).check(|input| {
        let _ = FleetState::read_snapshot(&mut &*input);
        let Ok(log) = Log::decode(input) else { return };
        let Ok(state) = FleetState::read_snapshot(&mut snapshot(&log).unwrap().as_slice()) else {
            return;
        };
        Fleet { state: state.clone(), index: 0, now_ms: 0 }.check_indexes();
        assert_eq!(restored(&written(&state)).hash(), state.hash());
    });
}
