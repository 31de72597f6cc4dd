use serde::{Deserialize, Serialize};

use super::AvailabilityTarget;
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
    /// From the fault until a write that began after it was acknowledged: what a client waits. Where the leader hands
    /// over first, the longest time between two acknowledgements around the fault.
    pub first_write: Spread,
    /// From the fault until a controller of the new leader had made its first pass.
    pub first_act: Option<Spread>,
    /// From the fault until clients' throughput was back at nine tenths of what it was before; its count tells after
    /// how many faults that was seen.
    #[serde(default)]
    pub recovery: Option<Spread>,
    /// The worst tenth of a second after a fault, in percent of the throughput before: the median over all faults.
    #[serde(default)]
    pub lowest_percent: Option<u64>,
    /// Calls that failed.
    pub failed_calls: u64,
    /// Calls that were acknowledged.
    pub acknowledged_calls: u64,
}

impl AvailabilityRecord {
    /// What is claimed of it; `None`: nothing is.
    pub fn target(&self) -> Option<AvailabilityTarget> {
        if self.system == "navarch" { AvailabilityTarget::of(&self.fault) } else { None }
    }

    /// Where it misses its target, in words.
    pub fn misses(&self) -> Vec<String> {
        self.target().map_or_else(Vec::new, |target| target.misses(self))
    }
}
