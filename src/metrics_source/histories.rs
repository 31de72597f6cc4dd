use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use navarch_fleet::limits::MAX_POOLS;

use crate::scaling::Sample;

/// Samples kept of one pool, and for how long: five minutes.
const MAX_SAMPLES: usize = 100;
const RETAIN_MS: u64 = 300_000;

/// The last samples of each pool, oldest first.
#[derive(Debug, Default)]
pub(super) struct Histories(Mutex<BTreeMap<String, VecDeque<Sample>>>);

impl Histories {
    /// Takes in a sample, unless the last one is younger than `rest_ms` before it, and answers what is kept of
    /// the pool.
    pub(super) fn note(&self, pool: &str, sample: Sample, rest_ms: u64) -> Vec<Sample> {
        let mut histories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |kept: &Sample| kept.at_ms.saturating_add(RETAIN_MS) <= sample.at_ms;
        if histories.len() >= MAX_POOLS && !histories.contains_key(pool) {
            histories.retain(|_, samples| samples.back().is_some_and(|last| !is_old(last)));
        }
        let samples = histories.entry(pool.to_owned()).or_default();
        while samples.front().is_some_and(is_old) {
            samples.pop_front();
        }
        let due = |last: &Sample| last.at_ms.saturating_add(rest_ms.max(1)) <= sample.at_ms;
        if samples.back().is_none_or(due) {
            if samples.len() == MAX_SAMPLES {
                samples.pop_front();
            }
            samples.push_back(sample);
        }
        samples.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a pool's samples would grow without end, be taken twice for one moment by a pass that an event
    /// woke, or hold what was five minutes ago.
    #[test]
    fn samples_are_spaced_and_bounded() {
        let histories = Histories::default();
        let note = |pool: &str, at_ms: u64, rest_ms: u64| {
            let sample = Sample { at_ms, utilization: 50.0 };
            let samples = histories.note(pool, sample, rest_ms);
            samples.iter().map(|sample| sample.at_ms).collect::<Vec<_>>()
        };
        assert_eq!(note("a", 1_000, 15_000), [1_000]);
        assert_eq!(note("a", 1_000, 0), [1_000], "never two of one moment");
        assert_eq!(note("a", 15_999, 15_000), [1_000]);
        assert_eq!(note("a", 16_000, 15_000), [1_000, 16_000]);
        assert_eq!(note("b", 16_000, 15_000), [16_000]);
        assert_eq!(note("a", 301_000, 15_000), [16_000, 301_000]);
        let mut many = Vec::new();
        for number in 0..200 {
            many = note("c", 1_000 + number * 100, 100);
        }
        assert_eq!((many.len(), many[0], many[99]), (100, 11_000, 20_900));
        for number in 0..2 * MAX_POOLS {
            note(&number.to_string(), 1_000_000 + 1_000 * number as u64, 0);
        }
        assert!(histories.0.lock().unwrap().len() <= MAX_POOLS + 1);
    }
}
