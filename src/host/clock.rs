use std::{
    fmt,
    future::Future,
    ops::{Add, Sub},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::BoxFuture;

use crate::fake_clock::FakeClock;

/// A point of monotonic time, counted from an origin that only its [`Clock`] knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub(crate) Duration);

impl Moment {
    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

/// The time given to [`Clock::timeout`] passed before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the time allowed has passed")
    }
}

impl std::error::Error for Elapsed {}

/// The one source of time, cheap to clone and handed to whatever reads time or waits.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { origin: tokio::time::Instant, wall: Option<Arc<Wall>> },
    Fake(Arc<FakeClock>),
}

/// A wall clock, milliseconds since the Unix epoch.
type Wall = dyn Fn() -> u64 + Send + Sync;

impl Clock {
    /// The operating system's time; waits on the calling tokio runtime.
    #[allow(clippy::disallowed_methods, reason = "this is the clock that all others go through")]
    pub fn system() -> Self {
        Self(Source::System { origin: tokio::time::Instant::now(), wall: None })
    }

    /// Waits on the calling tokio runtime as [`Clock::system`] does, and has `wall` tell the wall clock: for a
    /// simulation, whose machines disagree about it.
    #[allow(clippy::disallowed_methods, reason = "this is the clock that all others go through")]
    pub fn with_wall(wall: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let origin = tokio::time::Instant::now();
        Self(Source::System { origin, wall: Some(Arc::new(wall)) })
    }

    /// Time that stands still until [`FakeClock::advance`] moves it.
    pub fn fake(fake: Arc<FakeClock>) -> Self {
        Self(Source::Fake(fake))
    }

    /// Monotonic time now.
    #[allow(clippy::disallowed_methods, reason = "this is the clock that all others go through")]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System { origin, .. } => Moment(tokio::time::Instant::now() - *origin),
            Source::Fake(fake) => fake.now(),
        }
    }

    /// Wall-clock time now, in milliseconds since the Unix epoch; 0 for a clock set before it.
    #[allow(clippy::disallowed_methods, reason = "this is the clock that all others go through")]
    pub fn wall_ms(&self) -> u64 {
        match &self.0 {
            Source::System { wall: Some(wall), .. } => wall(),
            Source::System { wall: None, .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
            Source::Fake(fake) => fake.wall_ms(),
        }
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }

    /// Waits until `deadline`; returns at once if it has passed.
    #[allow(clippy::disallowed_methods, reason = "this is the clock that all others go through")]
    pub fn sleep_until(&self, deadline: Moment) -> BoxFuture<'static, ()> {
        match &self.0 {
            Source::System { origin, .. } => {
                let at = *origin + deadline.0;
                Box::pin(tokio::time::sleep_until(at))
            }
            Source::Fake(fake) => Box::pin(Arc::clone(fake).sleep_until(deadline)),
        }
    }

    /// Runs `future` for at most `limit`.
    pub async fn timeout<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        self.timeout_at(self.now() + limit, future).await
    }

    /// Runs `future` until `deadline` at most; a future that is ready wins over a deadline that has passed.
    pub async fn timeout_at<F: Future>(
        &self,
        deadline: Moment,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.sleep_until(deadline) => Err(Elapsed),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            Source::System { .. } => "system",
            Source::Fake(_) => "fake",
        };
        write!(formatter, "Clock({kind})")
    }
}
