use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use futures::{FutureExt as _, future::BoxFuture};
use hyper::rt::{Sleep, Timer};
use navarch_host::{Clock, Moment};

/// The injected clock as hyper wants it.
///
/// hyper counts in [`Instant`]s, which nothing but the operating system can make. One is taken as the origin;
/// from there on the clock alone tells how much time has passed.
#[derive(Clone)]
pub(super) struct ClockTimer {
    clock: Clock,
    origin: Instant,
    origin_moment: Moment,
}

impl ClockTimer {
    #[allow(
        clippy::disallowed_methods,
        reason = "only an origin, whose value does not matter; see the type"
    )]
    pub(super) fn new(clock: Clock) -> Self {
        Self { origin: Instant::now(), origin_moment: clock.now(), clock }
    }
}

impl Timer for ClockTimer {
    fn sleep(&self, duration: std::time::Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let moment = self.origin_moment + deadline.saturating_duration_since(self.origin);
        Box::pin(ClockSleep(Mutex::new(self.clock.sleep_until(moment))))
    }

    fn now(&self) -> Instant {
        self.origin + self.clock.now().since(self.origin_moment)
    }
}

impl fmt::Debug for ClockTimer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ClockTimer").field(&self.clock).finish()
    }
}

/// hyper wants its sleeps `Sync`; the mutex makes it so, and is never locked.
struct ClockSleep(Mutex<BoxFuture<'static, ()>>);

impl Future for ClockSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        sleep.poll_unpin(context)
    }
}

impl Sleep for ClockSleep {}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use navarch_host::FakeClock;

    use super::*;

    /// Without it hyper's time limits would not follow the injected clock.
    #[tokio::test(flavor = "current_thread")]
    async fn sleeps_follow_the_clock() {
        let fake = FakeClock::new(0);
        let timer = ClockTimer::new(Clock::fake(Arc::clone(&fake)));
        let start = timer.now();
        let sleep = tokio::spawn(timer.sleep(Duration::from_secs(10)));
        fake.advance(Duration::from_secs(9)).await;
        assert!(!sleep.is_finished());
        fake.advance(Duration::from_secs(1)).await;
        assert!(sleep.is_finished());
        assert_eq!(timer.now() - start, Duration::from_secs(10));
    }
}
