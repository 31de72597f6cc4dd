use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use navarch_host::{Clock, Moment};

/// LogTime follows the wall clock by no more than one part in this many, so that a wall clock that leaps
/// moves no deadline at once (`slewed towards the wall clock by at most 1 %`).
const SLEW_DIVISOR: u32 = 100;

/// LogTime of a session: its opening time plus monotonic time since, slewed towards the wall clock.
#[derive(Debug)]
pub struct SessionClock {
    clock: Clock,
    reading: Mutex<Reading>,
}

#[derive(Debug)]
struct Reading {
    log_time: Duration,
    at: Moment,
}

impl SessionClock {
    /// A clock that stands at zero until [`SessionClock::open`] sets it.
    pub fn new(clock: Clock) -> Self {
        let reading = Reading { log_time: Duration::ZERO, at: clock.now() };
        Self { clock, reading: Mutex::new(reading) }
    }

    /// Starts a session at `log_time_ms`, the LogTime of its opening entry.
    pub fn open(&self, log_time_ms: u64) {
        let reading =
            Reading { log_time: Duration::from_millis(log_time_ms), at: self.clock.now() };
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    /// LogTime now, in milliseconds since the Unix epoch. Never goes back within a session.
    pub fn now_ms(&self) -> u64 {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let elapsed = now.since(reading.at);
        let slew = elapsed / SLEW_DIVISOR;
        let straight = reading.log_time + elapsed;
        let wall = Duration::from_millis(self.clock.wall_ms());
        reading.log_time = wall.clamp(straight.saturating_sub(slew), straight + slew);
        reading.at = now;
        u64::try_from(reading.log_time.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use navarch_host::FakeClock;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Without it a wall clock that leaps would fire every deadline of the fleet at once.
    #[tokio::test]
    async fn a_leap_of_the_wall_clock_moves_log_time_by_one_percent_at_most() {
        let fake = FakeClock::new(1_000_000);
        let session = SessionClock::new(Clock::fake(fake.clone()));
        session.open(1_000_000);
        for leap_ms in [1_000_000 + 3_600_000 * 5, 0] {
            let before = session.now_ms();
            fake.set_wall_ms(leap_ms);
            fake.advance(HOUR).await;
            let passed = session.now_ms() - before;
            assert!((3_564_000..=3_636_000).contains(&passed), "an hour took {passed} ms");
        }
    }

    /// Without it LogTime would stay off for ever after a session opened at another replica's time.
    #[tokio::test]
    async fn log_time_comes_back_to_the_wall_clock() {
        let fake = FakeClock::new(10_000_000);
        let session = SessionClock::new(Clock::fake(fake.clone()));
        session.open(10_030_000);
        for _ in 0..100 {
            fake.advance(Duration::from_secs(60)).await;
            session.now_ms();
        }
        assert_eq!(session.now_ms(), 10_000_000 + 100 * 60_000);
    }
}
