use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::clock::Moment;

/// How often `advance` lets other tasks run before it moves on: enough for a chain of that many wake-ups.
const YIELDS_PER_STEP: usize = 64;

/// Time that a test moves. Sleepers wake in the order of their deadlines, each at exactly its deadline.
#[derive(Debug)]
pub struct FakeClock {
    yields_per_step: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: Duration,
    wall_origin_ms: u64,
    /// Keyed by deadline, then by the order of arrival.
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
    arrivals: u64,
}

impl FakeClock {
    /// A clock that stands at `wall_ms` milliseconds since the Unix epoch.
    pub fn new(wall_ms: u64) -> Arc<Self> {
        Self::settling(wall_ms, YIELDS_PER_STEP)
    }

    /// The same for a long time in which little happens: at each step it lets other tasks run only so often.
    pub fn settling(wall_ms: u64, yields_per_step: usize) -> Arc<Self> {
        let state = State {
            now: Duration::ZERO,
            wall_origin_ms: wall_ms,
            sleepers: BTreeMap::new(),
            arrivals: 0,
        };
        Arc::new(Self { yields_per_step, state: Mutex::new(state) })
    }

    /// Moves time by `duration`, stopping at each sleeper's deadline on the way so that what it does next
    /// happens at that time. Run it on a current-thread runtime for a deterministic order.
    pub async fn advance(&self, duration: Duration) {
        let end = self.lock().now + duration;
        loop {
            self.settle().await;
            let woken = self.lock().next_sleepers(end);
            if woken.is_empty() {
                break;
            }
            for sleeper in woken {
                // One that has gone away meanwhile is no failure.
                let _ = sleeper.send(());
            }
        }
        self.settle().await;
    }

    /// Makes the wall clock leap without moving monotonic time, as an operator's `date` does.
    pub fn set_wall_ms(&self, wall_ms: u64) {
        let mut state = self.lock();
        state.wall_origin_ms = wall_ms.saturating_sub(millis(state.now));
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(self.lock().now)
    }

    pub(crate) fn wall_ms(&self) -> u64 {
        let state = self.lock();
        state.wall_origin_ms.saturating_add(millis(state.now))
    }

    pub(crate) async fn sleep_until(self: Arc<Self>, deadline: Moment) {
        let woken = {
            let mut state = self.lock();
            if deadline.0 <= state.now {
                return;
            }
            let (sender, receiver) = oneshot::channel();
            state.arrivals += 1;
            let key = (deadline.0, state.arrivals);
            state.sleepers.insert(key, sender);
            receiver
        };
        // The sender lives in the clock that this future holds, so it cannot be dropped unsent.
        let _ = woken.await;
    }

    async fn settle(&self) {
        for _ in 0..self.yields_per_step {
            tokio::task::yield_now().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Moves to the next deadline that is not after `end`, and takes all that sleep until then, in the order
    /// of their arrival; none: it moved to `end`.
    fn next_sleepers(&mut self, end: Duration) -> Vec<oneshot::Sender<()>> {
        // Whoever gave up waiting would only make everybody settle once more.
        self.sleepers.retain(|_, sleeper| !sleeper.is_closed());
        let next = self.sleepers.first_key_value().map(|(&(deadline, _), _)| deadline);
        let Some(deadline) = next.filter(|&deadline| deadline <= end) else {
            self.now = end;
            return Vec::new();
        };
        self.now = self.now.max(deadline);
        let later = self.sleepers.split_off(&(deadline, u64::MAX));
        std::mem::replace(&mut self.sleepers, later).into_values().collect()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    /// Without it a sleeper could see a time past its deadline, and a deadline test would prove nothing.
    #[tokio::test(flavor = "current_thread")]
    async fn sleepers_wake_in_order_and_at_their_deadlines() {
        let fake = FakeClock::new(1_000);
        let clock = Clock::fake(Arc::clone(&fake));
        let seen = Arc::new(Mutex::new(Vec::new()));
        for seconds in [3, 1, 2] {
            let (clock, seen) = (clock.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                clock.sleep(Duration::from_secs(seconds)).await;
                seen.lock().unwrap().push((seconds, clock.wall_ms()));
            });
        }
        fake.advance(Duration::from_secs(10)).await;
        assert_eq!(*seen.lock().unwrap(), [(1, 2_000), (2, 3_000), (3, 4_000)]);
        assert_eq!(clock.wall_ms(), 11_000);
    }

    /// Without it a loop with a period would fire once in an advance over many periods.
    #[tokio::test(flavor = "current_thread")]
    async fn a_periodic_loop_fires_every_period() {
        let fake = FakeClock::new(0);
        let clock = Clock::fake(Arc::clone(&fake));
        let count = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&count);
        tokio::spawn(async move {
            loop {
                clock.sleep(Duration::from_secs(1)).await;
                *counter.lock().unwrap() += 1;
            }
        });
        fake.advance(Duration::from_secs(3_600)).await;
        assert_eq!(*count.lock().unwrap(), 3_600);
    }
}
