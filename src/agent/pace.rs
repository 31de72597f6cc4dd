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

/// The wait before the next beat of a node: the interval, and where the last one failed a little more or less of it,
/// so that nodes which failed together spread out while the rate stays what it was.
pub(super) fn after_beat(interval: Duration, failed: bool, chance: f64) -> Duration {
    if failed { interval.mul_f64(0.75 + 0.5 * chance) } else { interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: u32 = 13_000;
    const INTERVAL_MS: u64 = 10_000;
    /// How long a beat waits for a leader: [`super::super::heartbeat`] says so.
    const HELD_MS: u64 = 1_000;

    /// Without it a group that comes back would be struck down by the beats of its nodes.
    #[test]
    fn after_an_outage_at_most_twice_as_many_beats_come_as_before() {
        for outage_ms in [700, 3_000, 15_000, 600_000] {
            let begin = 60_000;
            let healed = begin + outage_ms;
            // When each beat reaches a leader, milliseconds.
            let mut arrivals = Vec::new();
            for node in 0..NODES {
                let mut due = u64::from(node) * INTERVAL_MS / u64::from(NODES);
                while due < healed + 60_000 {
                    let away = (begin..healed).contains(&due);
                    let late = away && due + HELD_MS < healed;
                    if !late {
                        arrivals.push(if away { healed } else { due });
                    }
                    let interval = Duration::from_millis(INTERVAL_MS);
                    // A beat is not followed before it has ended.
                    let ended = if late { HELD_MS } else { 0 };
                    let wait = after_beat(interval, late, rand::random());
                    due += u64::try_from(wait.as_millis()).unwrap().max(ended);
                }
            }
            let steady = f64::from(NODES) * 1_000.0 / INTERVAL_MS as f64;
            let seconds = (healed..healed + 59_000).step_by(250);
            let busiest = seconds
                .map(|at| arrivals.iter().filter(|time| (at..at + 1_000).contains(*time)).count())
                .max();
            let peak = busiest.unwrap() as f64 / steady;
            assert!(peak <= 2.1, "{peak:.2} times the rate after {outage_ms} ms");
        }
    }

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
