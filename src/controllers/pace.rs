use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use navarch_host::{Clock, Moment};
use navarch_proto::fleet::ProviderSpec;

use super::offers::{Offer, Offers};
use crate::provider::{Provider, ProviderError};

/// Calls a second where the configuration says nothing: what large clouds allow for reads and small ones for all.
const CALLS_PER_SECOND: u32 = 50;
/// Calls at once, of each controller, where the configuration says nothing.
const CALLS_AT_ONCE: u32 = 32;
/// What may be called at once after a rest, as time at the configured rate.
const BURST: Duration = Duration::from_secs(1);
/// A pause that a provider asks for is kept, but not for longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A cloud, and how fast it may be called. All controllers share it, since a cloud limits an account, not a caller.
pub(super) struct Paced {
    provider: Arc<dyn Provider>,
    clock: Clock,
    /// Calls at once, of each controller.
    pub(super) at_once: usize,
    /// From one call to the next, at the configured rate.
    step: Duration,
    bucket: Mutex<Bucket>,
    offers: Offers,
}

/// A token bucket, told by time (the "generic cell rate algorithm"): a second's worth of calls may be made at once
/// after a rest.
struct Bucket {
    /// When all calls so far would be over, had they come evenly.
    paid_until: Moment,
    /// The provider asked not to be called before.
    closed_until: Moment,
}

impl Paced {
    pub(super) fn new(provider: Arc<dyn Provider>, spec: &ProviderSpec, clock: Clock) -> Self {
        let or = |given, default| if given == 0 { default } else { given };
        let now = clock.now();
        Self {
            provider,
            at_once: or(spec.max_concurrent_calls, CALLS_AT_ONCE) as usize,
            step: Duration::from_secs(1) / or(spec.max_calls_per_second, CALLS_PER_SECOND),
            clock,
            bucket: Mutex::new(Bucket { paid_until: now, closed_until: now }),
            offers: Offers::default(),
        }
    }

    /// Whether an order may be asked again without a second machine being bought.
    pub(super) fn remembers_orders(&self) -> bool {
        self.provider.remembers_orders()
    }

    /// The cloud, when it may be called once. Callers are served in the order in which they came.
    pub(super) async fn turn(&self) -> &dyn Provider {
        let at = self.reserve(self.clock.now());
        self.clock.sleep_until(at).await;
        &*self.provider
    }

    /// Asks what the cloud rents out, unless that is known.
    pub(super) async fn refresh_offers(&self) {
        let ask = async { self.heed(self.turn().await.instance_types().await) };
        self.offers.refresh(&self.clock, ask).await;
    }

    /// What the cloud said last of `instance_type` in any of `regions`.
    pub(super) fn offer(&self, instance_type: &str, regions: &[String]) -> Offer {
        self.offers.of(instance_type, regions, self.clock.now())
    }

    /// Hands an answer on; one that asks for a pause keeps all later calls away for it.
    pub(super) fn heed<T>(&self, answer: Result<T, ProviderError>) -> Result<T, ProviderError> {
        if let Err(ProviderError::RateLimited { retry_after, .. }) = &answer {
            self.pause(*retry_after);
        }
        answer
    }

    fn pause(&self, pause: Duration) {
        let until = self.clock.now() + pause.min(LONGEST_PAUSE);
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.closed_until = bucket.closed_until.max(until);
    }

    fn reserve(&self, now: Moment) -> Moment {
        let tolerance = BURST.saturating_sub(self.step);
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let start = now.max(bucket.closed_until);
        let ahead = bucket.paid_until.since(start);
        bucket.paid_until = bucket.paid_until.max(start) + self.step;
        start + ahead.saturating_sub(tolerance)
    }
}

#[cfg(test)]
mod tests {
    use navarch_host::FakeClock;

    use super::*;
    use crate::controllers::testing::ScriptedCloud;

    /// Times, in milliseconds, at which `count` calls that are asked for now may be made.
    fn times(paced: &Paced, start: Moment, count: usize) -> Vec<u128> {
        let now = paced.clock.now();
        (0..count).map(|_| paced.reserve(now).since(start).as_millis()).collect()
    }

    /// Without it a burst of orders would be answered with a ban, or a rate that nobody uses would be lost.
    #[tokio::test]
    async fn calls_come_at_the_configured_rate() {
        let fake = FakeClock::new(0);
        let clock = Clock::fake(Arc::clone(&fake));
        let cloud: Arc<dyn Provider> = Arc::new(ScriptedCloud::new(clock.clone()));
        let spec = ProviderSpec { max_calls_per_second: 4, ..ProviderSpec::default() };
        let start = clock.now();
        let paced = Paced::new(cloud, &spec, clock);
        assert_eq!(times(&paced, start, 6), [0, 0, 0, 0, 250, 500]);
        fake.advance(Duration::from_secs(60)).await;
        assert_eq!(times(&paced, start, 5), [60_000, 60_000, 60_000, 60_000, 60_250]);
        paced.pause(Duration::from_secs(7));
        assert_eq!(times(&paced, start, 1), [67_000]);
        paced.pause(Duration::from_secs(86_400));
        assert_eq!(times(&paced, start, 1), [360_000], "nobody closes a cloud for a day");
    }
}
