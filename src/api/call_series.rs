use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use tonic::Code;

use super::{connect::code_name, routes};

/// Upper ends of the histogram's buckets, seconds: from a read in memory to the longest poll.
const BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What became of the calls that this replica got, by method.
pub(super) struct CallSeries {
    ended: Family<CallLabels, Counter>,
    seconds: Family<MethodLabels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: String,
}

impl Default for CallSeries {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        Self { ended: Family::default(), seconds: Family::new_with_constructor(histogram) }
    }
}

impl CallSeries {
    /// Counts a call of one of our methods that was carried out, or tried to be.
    pub(super) fn ended(&self, path: &str, code: Code, took: Duration) {
        let method = method(path);
        self.count(method.clone(), code);
        self.seconds.get_or_create(&MethodLabels { method }).observe(took.as_secs_f64());
    }

    /// Counts a call that was refused at the gate.
    pub(super) fn refused(&self, path: &str, code: Code) {
        self.count(method(path), code);
    }

    fn count(&self, method: String, code: Code) {
        let code = if code == Code::Ok { "ok" } else { code_name(code) };
        self.ended.get_or_create(&CallLabels { method, code }).inc();
    }

    /// Adds the series to what is exposed.
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Calls that this replica got, by how they ended";
        registry.register("api_calls", help, self.ended.clone());
        let help = "Time from a call's last byte to its answer";
        registry.register("api_call_seconds", help, self.seconds.clone());
    }
}

/// The method's name. What is none of ours shares one, for strangers choose paths.
fn method(path: &str) -> String {
    let name = path.rsplit('/').next().filter(|_| routes::find(path).is_some());
    name.unwrap_or("other").to_owned()
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    /// Without it a stranger's paths could fill the replica's memory, or a dashboard show nothing.
    #[test]
    fn calls_are_counted_by_method_and_code() {
        let series = CallSeries::default();
        let path = "/navarch.ControlPlaneService/GetNode";
        series.ended(path, Code::Ok, Duration::from_millis(3));
        series.ended(path, Code::NotFound, Duration::from_millis(3));
        series.refused("/a", Code::Unauthenticated);
        series.refused("/b", Code::Unauthenticated);
        let mut registry = Registry::with_prefix("navarch");
        series.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "navarch_api_calls_total{method=\"GetNode\",code=\"ok\"} 1",
            "navarch_api_calls_total{method=\"GetNode\",code=\"not_found\"} 1",
            "navarch_api_calls_total{method=\"other\",code=\"unauthenticated\"} 2",
            "navarch_api_call_seconds_bucket{le=\"0.005\",method=\"GetNode\"} 2",
            "navarch_api_call_seconds_count{method=\"GetNode\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
