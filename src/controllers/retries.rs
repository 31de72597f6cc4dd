use std::{collections::BTreeMap, time::Duration};

use navarch_host::Moment;
use rand::RngExt as _;

/// First and longest pause before something is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// When what failed is tried again: after pauses that double, with up to a quarter of jitter.
pub(super) struct Retries<K>(BTreeMap<K, Retry>);

#[derive(Clone, Copy)]
struct Retry {
    attempts: u32,
    not_before: Moment,
}

impl<K: Ord> Retries<K> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Whether it is time to try.
    pub(super) fn is_due(&self, key: &K, now: Moment) -> bool {
        self.0.get(key).is_none_or(|retry| retry.not_before <= now)
    }

    /// After one more failure: how many there were in a row, this one included.
    pub(super) fn failed(&mut self, key: K, now: Moment) -> u32 {
        let attempts = self.0.get(&key).map_or(0, |retry| retry.attempts);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempts)).min(LONGEST_PAUSE);
        let jittered = pause.mul_f64(rand::rng().random_range(1.0..=1.25));
        let attempts = attempts.saturating_add(1);
        self.0.insert(key, Retry { attempts, not_before: now + jittered });
        attempts
    }

    /// After a success that wants another look: not before `not_before`.
    pub(super) fn rest(&mut self, key: K, not_before: Moment) {
        self.0.insert(key, Retry { attempts: 0, not_before });
    }

    /// There is nothing to try again.
    pub(super) fn forget(&mut self, key: &K) {
        self.0.remove(key);
    }

    /// Keeps what is still to be tried.
    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.0.retain(|key, _| keep(key));
    }
}
