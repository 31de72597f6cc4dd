use std::{collections::BTreeMap, time::Duration};

use navarch_host::{Chance, Moment};

/// First and longest pause before something is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// When what failed is tried again: after pauses that double, with up to a quarter of jitter.
pub(super) struct Retries<K> {
    chance: Chance,
    known: BTreeMap<K, Retry>,
}

#[derive(Clone, Copy)]
struct Retry {
    attempts: u32,
    not_before: Moment,
}

impl<K: Ord> Retries<K> {
    /// Nothing failed yet; the jitter differs from run to run.
    pub(super) fn new() -> Self {
        Self::drawn_from(Chance::system())
    }

    /// The same with jitter that is drawn from `chance`.
    pub(super) fn drawn_from(chance: Chance) -> Self {
        Self { chance, known: BTreeMap::new() }
    }

    /// Whether it is time to try.
    pub(super) fn is_due(&self, key: &K, now: Moment) -> bool {
        self.known.get(key).is_none_or(|retry| retry.not_before <= now)
    }

    /// After one more failure: how many there were in a row, this one included.
    pub(super) fn failed(&mut self, key: K, now: Moment) -> u32 {
        let attempts = self.attempts(&key);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempts)).min(LONGEST_PAUSE);
        self.put_off(key, now, pause)
    }

    /// After one more failure that itself says how long to wait: how many there were in a row.
    pub(super) fn put_off(&mut self, key: K, now: Moment, pause: Duration) -> u32 {
        let attempts = self.attempts(&key).saturating_add(1);
        let not_before = now + pause.mul_f64(1.0 + 0.25 * self.chance.share());
        self.known.insert(key, Retry { attempts, not_before });
        attempts
    }

    fn attempts(&self, key: &K) -> u32 {
        self.known.get(key).map_or(0, |retry| retry.attempts)
    }

    /// After a success that wants another look: not before `not_before`.
    pub(super) fn rest(&mut self, key: K, not_before: Moment) {
        self.known.insert(key, Retry { attempts: 0, not_before });
    }

    /// There is nothing to try again.
    pub(super) fn forget(&mut self, key: &K) {
        self.known.remove(key);
    }

    /// Keeps what is still to be tried.
    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.known.retain(|key, _| keep(key));
    }
}
