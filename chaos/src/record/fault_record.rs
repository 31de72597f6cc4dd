use serde::{Deserialize, Serialize};

/// Whether a fault took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Injection {
    /// It did, and that was seen.
    Injected,
    /// It could not be tried here; the record says why.
    Skipped,
    /// It was tried, and nobody knows whether it took.
    Indeterminate,
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its name in the catalogue of faults, as `kill-leader`.
    pub fault: String,
    /// Whom it struck: replicas, links, clouds; empty if nobody.
    pub targets: Vec<String>,
    /// When it began, milliseconds since the run's start.
    pub from_ms: u64,
    /// When it was healed; `None` if it needs no healing.
    pub until_ms: Option<u64>,
    /// Whether it took place.
    pub injection: Injection,
    /// Why it was skipped or is indeterminate; empty otherwise.
    pub why: String,
}
