use serde::{Deserialize, Serialize};

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It held, and the run could have broken it.
    Held,
    /// It was broken.
    Violated,
    /// The check came to no end, or had nothing to check. A run with such a one has not passed.
    Unknown,
}

/// What must hold, and what became of it in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvariantRecord {
    /// Its name, as `bought-once`.
    pub invariant: String,
    /// What it came to.
    pub verdict: Verdict,
    /// How many things it was checked on: writes, machines, pairs of entries.
    pub checked: u64,
    /// What shows it, in words: figures if it held, the first violations if not.
    pub evidence: String,
}

impl InvariantRecord {
    /// For a table.
    pub fn row(&self) -> Vec<String> {
        let told = format!("{:?}, {} checked; {}", self.verdict, self.checked, self.evidence);
        vec![self.invariant.clone(), told]
    }
}
