use std::time::Duration;

/// Buckets in each doubling: a value is off by less than 1 in 64.
const STEPS: u64 = 128;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Largest value that has a bucket of its own, microseconds: about 19 hours. Larger ones share the last.
const LARGEST_US: u64 = (1 << 36) - 1;

/// Number of buckets: one for each value below `STEPS`, then `STEPS / 2` for each doubling.
const BUCKETS: usize = index_of(LARGEST_US) + 1;

/// How often which latency occurred, in a fixed amount of memory (about 16 KiB).
#[derive(Clone)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Histogram {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max_us: 0 }
    }

    /// Counts one latency.
    pub(super) fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.max_us = self.max_us.max(us);
        self.count += 1;
        self.buckets[index_of(us.min(LARGEST_US))] += 1;
    }

    /// The latency that `percent` of all do not exceed, milliseconds; 0 when nothing was counted.
    pub(super) fn percentile_ms(&self, percent: u64) -> f64 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return millis(upper_end(index).min(self.max_us));
            }
        }
        0.0
    }

    /// The largest latency, milliseconds.
    pub(super) fn max_ms(&self) -> f64 {
        millis(self.max_us)
    }
}

/// Microseconds as milliseconds. The loss beyond 2^53 us is of no interest.
#[allow(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
fn millis(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the values are bounded by BUCKETS, which is small"
)]
const fn index_of(us: u64) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let doublings = us.ilog2() + 1 - STEP_BITS;
    let step = us >> doublings;
    (doublings as u64 * (STEPS / 2) + step) as usize
}

/// The largest value that falls into a bucket.
fn upper_end(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let doublings = (index - STEPS / 2) / (STEPS / 2);
    let step = index - doublings * (STEPS / 2);
    ((step + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Without it a percentile could name a latency that never occurred.
    #[test]
    fn percentiles_of_a_known_distribution() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentile_ms(99), 0.0);
        for ms in 1..=1_000 {
            histogram.record(Duration::from_millis(ms));
        }
        for (percent, expected) in [(50, 500.0), (90, 900.0), (99, 990.0), (100, 1_000.0)] {
            let found = histogram.percentile_ms(percent);
            assert!((found - expected).abs() <= expected / 64.0, "p{percent}: {found}");
        }
        assert_eq!(histogram.max_ms(), 1_000.0);
        histogram.record(Duration::from_secs(1_000_000));
        assert_eq!(histogram.max_ms(), 1e9);
    }

    /// Without it one slow call among few would be left out of the p99.
    #[test]
    fn a_percentile_covers_at_least_its_share() {
        let mut histogram = Histogram::new();
        histogram.record(Duration::from_millis(1));
        assert!((histogram.percentile_ms(50) - 1.0).abs() < 0.02);
        histogram.record(Duration::from_millis(100));
        assert!((histogram.percentile_ms(50) - 1.0).abs() < 0.02);
        assert!((histogram.percentile_ms(99) - 100.0).abs() < 1.0);
    }

    proptest! {
        /// Without it values would be counted in a bucket that does not hold them.
        #[test]
        fn every_value_lies_in_its_bucket(us in 0..=LARGEST_US) {
            let index = index_of(us);
            prop_assert!(index < BUCKETS);
            prop_assert!(us <= upper_end(index));
            prop_assert!(index == 0 || us > upper_end(index - 1));
            prop_assert!(upper_end(index) - us <= us / 64);
        }
    }
}
