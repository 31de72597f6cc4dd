use std::time::Duration;

/// Shortest pause between two rounds over all replicas.
const SHORTEST: Duration = Duration::from_millis(50);
/// Bound of the first pauses.
const FIRST_BOUND: Duration = Duration::from_millis(100);
/// Longest pause between two rounds over all replicas.
const LONGEST: Duration = Duration::from_millis(800);

/// Pauses between rounds: drawn from 50 ms up to a bound that doubles from 100 ms to 800 ms.
pub(super) struct Backoff {
    rounds: u32,
    rounds_a_step: u32,
}

impl Backoff {
    /// The bound doubles every `rounds_a_step` rounds, at least 1.
    pub(super) fn new(rounds_a_step: u32) -> Self {
        Self { rounds: 0, rounds_a_step: rounds_a_step.max(1) }
    }

    /// The next pause; `chance` is drawn evenly from 0 to 1.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let doublings = (self.rounds / self.rounds_a_step).min(8);
        let bound = FIRST_BOUND.saturating_mul(1 << doublings).min(LONGEST);
        self.rounds = self.rounds.saturating_add(1);
        SHORTEST + (bound - SHORTEST).mul_f64(chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a lost leader would be met by all its clients at once, or waited for too long.
    #[test]
    fn pauses_stay_between_50_and_800_ms() {
        for (rounds_a_step, chance, expected) in [
            (1, 0.0, [50, 50, 50, 50, 50]),
            (1, 1.0, [100, 200, 400, 800, 800]),
            (1, 0.5, [75, 125, 225, 425, 425]),
            (2, 1.0, [100, 100, 200, 200, 400]),
        ] {
            let mut backoff = Backoff::new(rounds_a_step);
            let pauses = expected.map(|_| backoff.next(chance).as_millis());
            assert_eq!(pauses, expected);
        }
    }
}
