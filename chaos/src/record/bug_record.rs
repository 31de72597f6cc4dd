use serde::{Deserialize, Serialize};

/// Letters that are shown of what an invariant told; with hundreds of findings one alike the next, the first ones do.
const MOST_TOLD: usize = 300;

/// What came of a bug that was planted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BugRecord {
    /// Its name.
    pub bug: String,
    /// The invariants that should find it, and did; empty: it was missed.
    pub found_by: Vec<String>,
    /// What the first of them told.
    pub told: String,
    /// Why it is known to be missed; empty: it must not be.
    pub gap: String,
    /// How long it took to find it, or to give it up; milliseconds.
    pub took_ms: u64,
}

impl BugRecord {
    /// What it told, or why it was missed.
    pub fn outcome(&self) -> String {
        match (self.found_by.is_empty(), self.gap.is_empty()) {
            (false, _) if self.told.chars().count() > MOST_TOLD => {
                self.told.chars().take(MOST_TOLD).chain(['…']).collect()
            }
            (false, _) => self.told.clone(),
            (true, false) => format!("missed, a known gap: {}", self.gap),
            (true, true) => "missed".to_owned(),
        }
    }
}
