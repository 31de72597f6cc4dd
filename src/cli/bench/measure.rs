use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    histogram::Histogram,
    report::{Latency, Report},
};

/// What the workers of a load found, shared by all of them.
pub(super) struct Measure(Mutex<Found>);

struct Found {
    ok: u64,
    errors: BTreeMap<&'static str, u64>,
    /// A message of each kind of error, for the person to read.
    examples: BTreeMap<&'static str, String>,
    latencies: Histogram,
}

impl Measure {
    /// Nothing found yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Found {
            ok: 0,
            errors: BTreeMap::new(),
            examples: BTreeMap::new(),
            latencies: Histogram::new(),
        }))
    }

    /// Counts a call that was answered.
    pub(super) fn answered(&self, latency: Duration) {
        let mut found = self.lock();
        found.ok += 1;
        found.latencies.record(latency);
    }

    /// Counts a call that failed.
    pub(super) fn failed(&self, code: &'static str, message: impl FnOnce() -> String) {
        let mut found = self.lock();
        *found.errors.entry(code).or_default() += 1;
        found.examples.entry(code).or_insert_with(message);
    }

    /// Calls that ended so far: answered, failed.
    pub(super) fn ended(&self) -> (u64, u64) {
        let found = self.lock();
        (found.ok, found.errors.values().sum())
    }

    /// The latency that 99 of 100 calls so far did not exceed, milliseconds.
    pub(super) fn p99_ms(&self) -> f64 {
        self.lock().latencies.percentile_ms(99)
    }

    /// A message of each kind of error that occurred.
    pub(super) fn examples(&self) -> BTreeMap<&'static str, String> {
        self.lock().examples.clone()
    }

    /// The result of a load of `clients` that took `duration`.
    pub(super) fn report(
        &self,
        operation: &'static str,
        clients: usize,
        duration: Duration,
    ) -> Report {
        let found = self.lock();
        let seconds = duration.as_secs_f64();
        Report {
            operation,
            clients,
            duration_s: rounded(seconds),
            ok: found.ok,
            failed: found.errors.values().sum(),
            errors: found.errors.clone(),
            rate_per_s: rounded(rate(found.ok, seconds)),
            latency_ms: Latency {
                p50: found.latencies.percentile_ms(50),
                p90: found.latencies.percentile_ms(90),
                p99: found.latencies.percentile_ms(99),
                max: found.latencies.max_ms(),
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it scripts that read the JSON of `bench` would break.
    #[test]
    fn the_json_has_the_contracts_keys() {
        let measure = Measure::new();
        measure.answered(Duration::from_millis(2));
        measure.answered(Duration::from_millis(4));
        measure.failed("unavailable", || "no leader".to_owned());
        let report = measure.report("writes", 64, Duration::from_secs(10));
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            json,
            "{\"operation\":\"writes\",\"clients\":64,\"duration_s\":10.0,\"ok\":2,\"failed\":1,\
             \"errors\":{\"unavailable\":1},\"rate_per_s\":0.2,\
             \"latency_ms\":{\"p50\":2.015,\"p90\":4.0,\"p99\":4.0,\"max\":4.0}}"
        );
        assert_eq!(measure.ended(), (2, 1));
        assert_eq!(measure.examples()["unavailable"], "no leader");
    }
}
