use std::time::Duration;

/// Pauses after failures, drawn by chance up to a bound that doubles: a fleet that lost its group together must
/// not come back together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Pace {
    /// The bound starts at `first` and ends at `longest`.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The next failure is the first again.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure, from a tenth of the bound to all of it; `chance` is drawn evenly from 0 to 1.
    pub(super) fn failed(&mut self, chance: f64) -> Duration {
        let bound = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(0.1 + 0.9 * chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it those that failed together would try again together, or wait for ever.
    #[test]
    fn pauses_grow_to_a_bound() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(second, second * 5);
        let bounds = [1_000, 2_000, 4_000, 5_000, 5_000];
        for bound in bounds {
            assert_eq!(pace.failed(1.0).as_millis(), bound);
        }
        pace.succeeded();
        assert_eq!(pace.failed(0.0).as_millis(), 100);
    }
}
