use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::step::Load;

/// How busy a pool's GPUs are before anything is said of them, in percent.
const AT_FIRST: f64 = 50.0;

/// How busy pools are, as a function of time.
#[derive(Debug, Default)]
pub(super) struct Loads(Mutex<BTreeMap<String, Ramp>>);

#[derive(Clone, Copy, Debug)]
struct Ramp {
    from: f64,
    to: f64,
    begun_ms: u64,
    over_ms: u64,
}

impl Loads {
    /// A pool's utilisation, in percent.
    pub(super) fn of(&self, pool: &str, now_ms: u64) -> f64 {
        let ramps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ramps.get(pool).map_or(AT_FIRST, |ramp| ramp.at(now_ms))
    }

    /// Begins a ramp from wherever the pool is now.
    pub(super) fn begin(&self, load: &Load, now_ms: u64) {
        let from = self.of(&load.pool, now_ms);
        let ramp = Ramp { from, to: load.to, begun_ms: now_ms, over_ms: load.over_ms };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(load.pool.clone(), ramp);
    }
}

impl Ramp {
    #[allow(clippy::cast_precision_loss, reason = "a scenario's milliseconds are far below 2^52")]
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
        let load = |to, over_ms| Load { pool: "p".to_owned(), to, over_ms };
        loads.begin(&load(100.0, 1_000), 10_000);
        assert_eq!(
            [10_000, 10_500, 11_000, 20_000].map(|at| loads.of("p", at)),
            [50.0, 75.0, 100.0, 100.0]
        );
        loads.begin(&load(0.0, 0), 20_000);
        assert_eq!((loads.of("p", 20_000), loads.of("q", 20_000)), (0.0, AT_FIRST));
    }
}
