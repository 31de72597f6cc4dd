use std::time::Duration;

/// Shortest pause between two rounds over all replicas.
const SHORTEST: Duration = Duration::from_millis(50);
/// Longest pause between two rounds over all replicas.
const LONGEST: Duration = Duration::from_millis(800);

/// Pauses between rounds: drawn from 50 ms up to a bound that doubles from 100 ms to 800 ms.
#[derive(Default)]
pub(super) struct Backoff {
    rounds: u32,
}

impl Backoff {
    /// The next pause; `chance` is drawn evenly from 0 to 1.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let bound = SHORTEST
            .saturating_mul(2 << self.rounds.min(8))
            .min(LONGEST);
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
        for (chance, expected) in [
            (0.0, [50, 50, 50, 50, 50]),
            (1.0, [100, 200, 400, 800, 800]),
            (0.5, [75, 125, 225, 425, 425]),
        ] {
            let mut backoff = Backoff::default();
            let pauses = expected.map(|_| backoff.next(chance).as_millis());
            assert_eq!(pauses, expected);
        }
    }
}
