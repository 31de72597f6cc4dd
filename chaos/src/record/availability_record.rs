use serde::{Deserialize, Serialize};

use crate::report::Spread;

/// How long a group was away after one kind of fault, over all faults of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AvailabilityRecord {
    /// Whose: `navarch`, `etcd`.
    pub system: String,
    /// The fault: `kill`, `pause`, `isolate`, `transfer`, `rolling-restart`, `rolling-upgrade`.
    pub fault: String,
    /// The load meanwhile: `idle`, `loaded`.
    pub load: String,
    /// From the fault until another replica began an election.
    pub detect: Option<Spread>,
    /// From there until it led.
    pub elect: Option<Spread>,
    /// From the fault until a write that began after it was acknowledged: what a client waits.
    pub first_write: Spread,
    /// From the fault until a controller of the new leader acted.
    pub first_act: Option<Spread>,
    /// Calls that failed.
    pub failed_calls: u64,
    /// Calls that were acknowledged.
    pub acknowledged_calls: u64,
}
