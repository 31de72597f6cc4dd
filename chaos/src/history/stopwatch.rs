use navarch_host::{Clock, Moment};

/// Counts from a run's start, by whatever clock the run goes by.
#[derive(Clone)]
pub struct Stopwatch {
    clock: Clock,
    start: Moment,
}

impl Stopwatch {
    /// Begins to count now.
    pub fn start(clock: &Clock) -> Self {
        Self { clock: clock.clone(), start: clock.now() }
    }

    /// Microseconds since the start.
    pub fn at_us(&self) -> u64 {
        u64::try_from(self.clock.now().since(self.start).as_micros()).unwrap_or(u64::MAX)
    }
}
