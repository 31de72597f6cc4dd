use serde::{Deserialize, Serialize};

/// What clients saw in one slice of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadPoint {
    /// Where the slice begins, milliseconds since the run's start.
    pub at_ms: u64,
    /// How long it is, milliseconds.
    pub length_ms: u64,
    /// Calls that were acknowledged in it.
    pub acknowledged: u64,
    /// Calls that failed in it.
    pub failed: u64,
    /// Half of the acknowledged ones took no longer, milliseconds; 0 if there were none.
    pub p50_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
}
