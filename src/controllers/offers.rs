use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use navarch_host::{Clock, Moment};

use crate::provider::{InstanceType, ProviderError};

/// What a provider offers is asked again after this long, whether it answered or not.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// An answer that is older says nothing any more.
const STALE: Duration = Duration::from_secs(600);
/// How long orders wait for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a provider said last that it rents out, with prices.
#[derive(Default)]
pub(super) struct Offers {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    asked: Option<Moment>,
    answer: Option<(Moment, Arc<Vec<InstanceType>>)>,
}

/// What is known of one instance type.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Offer {
    /// US dollars an hour, if told.
    pub(super) price_per_hour: Option<f64>,
    /// Whether it is to be had, if told.
    pub(super) available: Option<bool>,
}

impl Offers {
    /// Asks again by `ask`, unless that was done lately. A provider that does not answer is one whose offers are not
    /// known: nobody waits for it again before its time.
    pub(super) async fn refresh(
        &self,
        clock: &Clock,
        ask: impl Future<Output = Result<Vec<InstanceType>, ProviderError>>,
    ) {
        let now = clock.now();
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.asked.is_some_and(|at| now.since(at) < ASK_AGAIN) {
                return;
            }
            known.asked = Some(now);
        }
        match clock.timeout(PATIENCE, ask).await {
            Ok(Ok(types)) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.answer = Some((clock.now(), Arc::new(types)));
            }
            Ok(Err(error)) => tracing::warn!(%error, "a provider does not say what it offers"),
            Err(_) => tracing::warn!("a provider does not say in time what it offers"),
        }
    }

    /// What is known of `instance_type` in any of `regions`; an empty region is wherever the provider likes.
    pub(super) fn of(&self, instance_type: &str, regions: &[String], now: Moment) -> Offer {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = known.answer.as_ref().filter(|(at, _)| now.since(*at) <= STALE);
        let Some((_, types)) = answer else { return Offer::default() };
        let Some(found) = types.iter().find(|one| one.name == instance_type) else {
            return Offer { price_per_hour: None, available: Some(false) };
        };
        let sold_there = |region: &String| {
            region.is_empty() || found.regions.is_empty() || found.regions.contains(region)
        };
        let price = Some(found.price_per_hour).filter(|price| price.is_finite() && *price > 0.0);
        let available = found.available && regions.iter().any(sold_there);
        Offer { price_per_hour: price, available: Some(available) }
    }
}

#[cfg(test)]
mod tests {
    use navarch_host::FakeClock;

    use super::*;

    fn h100(price_per_hour: f64, regions: &[&str], available: bool) -> InstanceType {
        let regions: Vec<String> = regions.iter().map(|region| (*region).to_owned()).collect();
        let json = serde_json::json!({
            "name": "h100", "price_per_hour": price_per_hour, "regions": regions, "available": available
        });
        serde_json::from_value(json).unwrap()
    }

    /// Without it a price of nothing would be the cheapest, and a type that is sold elsewhere would be waited for.
    #[tokio::test]
    async fn offers_are_read_with_care() {
        let clock = Clock::fake(FakeClock::new(0));
        let table = [
            (h100(2.5, &[], true), Some(2.5), true),
            (h100(0.0, &["eu"], true), None, true),
            (h100(2.5, &["us"], true), Some(2.5), false),
            (h100(2.5, &["eu"], false), Some(2.5), false),
        ];
        for (offer, price_per_hour, available) in table {
            let offers = Offers::default();
            offers.refresh(&clock, async { Ok(vec![offer]) }).await;
            let seen = offers.of("h100", &["eu".to_owned()], clock.now());
            assert_eq!(seen, Offer { price_per_hour, available: Some(available) });
            assert_eq!(offers.of("l4", &[], clock.now()).available, Some(false));
        }
    }

    /// Without it every pass would wait for a provider that does not answer, or go by prices of yesterday.
    #[tokio::test]
    async fn a_provider_is_asked_once_a_minute() {
        let fake = FakeClock::new(0);
        let clock = Clock::fake(Arc::clone(&fake));
        let offers = Offers::default();
        let refuse = || async { Err(ProviderError::Unanswered("down".to_owned())) };
        offers.refresh(&clock, refuse()).await;
        assert_eq!(offers.of("h100", &[], clock.now()), Offer::default());
        offers.refresh(&clock, async { Ok(vec![h100(1.0, &[], true)]) }).await;
        assert_eq!(offers.of("h100", &[], clock.now()), Offer::default(), "too soon");
        fake.advance(ASK_AGAIN).await;
        offers.refresh(&clock, async { Ok(vec![h100(1.0, &[], true)]) }).await;
        assert_eq!(offers.of("h100", &[String::new()], clock.now()).available, Some(true));
        fake.advance(STALE + Duration::from_secs(1)).await;
        assert_eq!(offers.of("h100", &[String::new()], clock.now()), Offer::default());
    }
}
