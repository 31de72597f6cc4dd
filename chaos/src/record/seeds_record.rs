use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A seed whose run found something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedSeed {
    /// The seed.
    pub seed: u64,
    /// What it found, in words.
    pub why: Vec<String>,
    /// The line that replays it, with as few faults as still show it.
    pub replay: String,
}

/// Simulated runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeedsRecord {
    /// The first seed.
    pub first: u64,
    /// Seeds that were run from there on.
    pub run: u64,
    /// Seeds that were run beside those, since they found a bug once.
    pub known: Vec<u64>,
    /// Those whose run found something.
    pub failed: Vec<FailedSeed>,
    /// How fast that went, for each processor that was used.
    pub seeds_per_minute_and_core: f64,
    /// Simulated time of all seeds together, milliseconds.
    pub simulated_ms: u64,
    /// How often each fault was injected, over all seeds.
    pub injected: BTreeMap<String, u64>,
    /// Trace hashes of the seeds that were run twice, which must have been the same both times.
    pub repeated: BTreeMap<u64, String>,
}

impl SeedsRecord {
    /// How many seeds were run.
    pub fn count(&self) -> u64 {
        self.run + self.known.len() as u64
    }
}
