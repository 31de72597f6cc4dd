use std::sync::Arc;

use crate::{
    ids::ProviderName,
    limits::{FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS},
    time::LogTime,
};

/// What a pause is for: a provider that has no capacity there may have it elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackoffKey {
    /// Who had none.
    pub provider: ProviderName,
    /// Where.
    pub region: Arc<str>,
    /// Of what, in the provider's own word.
    pub instance_type: Arc<str>,
}

/// A pause after capacity failures: 30 s, doubling to 30 m. A purchase ends it; where the machine that was bought had a GPU that
/// was given up on, one that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Nothing is asked before it.
    pub until: LogTime,
    /// Failures in a row.
    pub failures: u32,
    /// The last of them was a machine with a GPU that had been given up on: it can be bought, so that a purchase says nothing.
    pub bad_gpu: bool,
}

impl Backoff {
    /// The pause after one more failure.
    pub(crate) fn after(before: Option<Self>, bad_gpu: bool, now: LogTime) -> Self {
        let failures = before.map_or(1, |backoff| backoff.failures.saturating_add(1));
        let doubled = 2_u64.saturating_pow(failures - 1).saturating_mul(FIRST_BACKOFF_MS);
        Self { until: now.plus_ms(doubled.min(LONGEST_BACKOFF_MS)), failures, bad_gpu }
    }

    /// When its failures no longer count.
    pub(crate) fn forgotten_at(&self) -> LogTime {
        self.until.plus_ms(LONGEST_BACKOFF_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the doubling a sold-out region is asked every few seconds; without the bound, never again.
    #[test]
    fn pauses_double_up_to_half_an_hour() {
        let mut backoff = None;
        let pauses: Vec<u64> = (0..9)
            .map(|_| {
                let next = Backoff::after(backoff, false, LogTime::from_ms(0));
                backoff = Some(next);
                next.until.as_ms() / 1000
            })
            .collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
        let many = Backoff { until: LogTime::from_ms(0), failures: u32::MAX, bad_gpu: false };
        assert_eq!(Backoff::after(Some(many), false, LogTime::from_ms(0)).until.as_ms(), 1_800_000);
    }
}
