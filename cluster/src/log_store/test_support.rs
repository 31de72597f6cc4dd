//! What several tests of the log store need.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use openraft::vote::RaftLeaderId as _;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::sled_engine::SledOptions;
use crate::{
    fatal::FatalHook,
    types::{Carried, Entry, LeaderId, LogId, Payload, Vote},
};

/// Segments so small that a few dozen entries fill several, and their records therefore small; yet most of those are
/// worth compressing.
pub(super) fn small_sled() -> SledOptions {
    SledOptions { segment_bytes: 64 * 1024, cache_bytes: 1024 * 1024, pack_from_bytes: 64 }
}

pub(super) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new(term, 1), index)
}

pub(super) fn vote(term: u64) -> Vote {
    Vote { leader_id: LeaderId::new(term, 1), committed: true }
}

/// An entry of `bytes` bytes that depend on where it stands.
pub(super) fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let byte = u8::try_from((term * 31 + index * 7) % 251).unwrap();
    Entry {
        log_id: log_id(term, index),
        payload: Carried::Normal(Payload(Bytes::from(vec![byte; bytes]))),
    }
}

pub(super) fn entries(term: u64, indexes: std::ops::Range<u64>, bytes: usize) -> Vec<Entry> {
    indexes.map(|index| entry(term, index, bytes)).collect()
}

/// Entries of `bytes` random bytes, which do not shrink and depend on where they stand.
pub(super) fn noise(term: u64, indexes: std::ops::Range<u64>, bytes: usize) -> Vec<Entry> {
    let noisy = |index| {
        let mut payload = vec![0; bytes];
        SmallRng::seed_from_u64(term << 32 | index).fill_bytes(&mut payload);
        Entry {
            log_id: log_id(term, index),
            payload: Carried::Normal(Payload(Bytes::from(payload))),
        }
    };
    indexes.map(noisy).collect()
}

/// Whether a value in sled says that its body is compressed: the top bit of the length.
pub(super) fn is_packed(value: &[u8]) -> bool {
    value[11] & 0x80 != 0
}

/// A hook that remembers what it was told.
pub(super) fn watched_fatal() -> (FatalHook, Arc<Mutex<Vec<String>>>) {
    let faults = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&faults);
    let hook = FatalHook::new(move |fault| seen.lock().unwrap().push(fault.to_string()));
    (hook, faults)
}
