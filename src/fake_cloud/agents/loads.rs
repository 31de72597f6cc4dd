use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How busy a pool's GPUs are before anything is said of them, in percent.
const AT_FIRST: f64 = 50.0;

/// How busy the GPUs of pools are, as a function of time.
#[derive(Debug)]
pub struct Loads {
    /// Where nothing is said of a pool, in percent.
    at_first: f64,
    ramps: Mutex<BTreeMap<String, Ramp>>,
}

#[derive(Clone, Copy, Debug)]
struct Ramp {
    from: f64,
    to: f64,
    begun_ms: u64,
    over_ms: u64,
}

impl Default for Loads {
    fn default() -> Self {
        Self::new(AT_FIRST)
    }
}

impl Loads {
    /// Pools of which each is that busy, in percent, until something else is said of it.
    pub fn new(at_first: f64) -> Self {
        Self { at_first, ramps: Mutex::default() }
    }

    /// A pool's utilisation, in percent; times in milliseconds since whenever the caller counts from.
    pub fn of(&self, pool: &str, now_ms: u64) -> f64 {
        self.lock().get(pool).map_or(self.at_first, |ramp| ramp.at(now_ms))
    }

    /// Lets a pool become `to` percent busy within `over_ms`, from wherever it is now.
    pub fn begin(&self, pool: &str, (to, over_ms): (f64, u64), now_ms: u64) {
        let from = self.of(pool, now_ms);
        let ramp = Ramp { from, to, begun_ms: now_ms, over_ms };
        self.lock().insert(pool.to_owned(), ramp);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Ramp>> {
        self.ramps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ramp {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a ramp are far below 2^52")]
    fn at(self, now_ms: u64) -> f64 {
        let gone_ms = now_ms.saturating_sub(self.begun_ms);
        if gone_ms >= self.over_ms {
            return self.to;
        }
        self.from + (self.to - self.from) * (gone_ms as f64 / self.over_ms as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a ramp would jump, or begin somewhere else than the pool is.
    #[test]
    fn a_ramp_goes_on_from_where_the_pool_is() {
        let loads = Loads::default();
        loads.begin("p", (100.0, 1_000), 10_000);
        assert_eq!(
            [10_000, 10_500, 11_000, 20_000].map(|at| loads.of("p", at)),
            [50.0, 75.0, 100.0, 100.0]
        );
        loads.begin("p", (0.0, 0), 20_000);
        assert_eq!((loads.of("p", 20_000), loads.of("q", 20_000)), (0.0, AT_FIRST));
    }
}
