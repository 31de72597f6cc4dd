use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use crate::{
    error::ChaosError,
    faults::catalogue,
    invariants,
    record::{Injection, RunRecord, Verdict},
    report::Report,
};

/// Which faults and invariants a set of runs has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Runs.
    pub runs: usize,
    /// Each fault: how often it was injected, skipped and indeterminate.
    pub faults: BTreeMap<String, [u64; 3]>,
    /// Each invariant: in how many runs it held, was violated, and is unknown.
    pub invariants: BTreeMap<String, [u64; 3]>,
    /// Why the set does not count, if it does not.
    pub violations: Vec<String>,
}

/// Reads all records of `directory`. A set in which no leader was in a minority does not count.
///
/// # Errors
///
/// If a record cannot be read.
pub fn coverage(directory: &Path) -> Result<Coverage, ChaosError> {
    Ok(Coverage::of(&RunRecord::load_all(directory)?))
}

impl Coverage {
    fn of(records: &[RunRecord]) -> Self {
        let mut coverage = Self { runs: records.len(), ..Self::default() };
        // What nobody tried is told as well.
        for name in catalogue::names() {
            coverage.faults.entry(name).or_default();
        }
        for invariant in invariants::all() {
            coverage.invariants.entry(invariant.name().to_owned()).or_default();
        }
        for record in records {
            for fault in &record.faults {
                let place = match fault.injection {
                    Injection::Injected => 0,
                    Injection::Skipped => 1,
                    Injection::Indeterminate => 2,
                };
                coverage.faults.entry(fault.fault.clone()).or_default()[place] += 1;
            }
            for (name, times) in record.seeds.iter().flat_map(|seeds| &seeds.injected) {
                coverage.faults.entry(name.clone()).or_default()[0] += times;
            }
            for invariant in &record.invariants {
                let place = match invariant.verdict {
                    Verdict::Held => 0,
                    Verdict::Violated => 1,
                    Verdict::Unknown => 2,
                };
                coverage.invariants.entry(invariant.invariant.clone()).or_default()[place] += 1;
            }
        }
        coverage.complain();
        coverage
    }

    fn complain(&mut self) {
        let main = catalogue::LEADER_IN_MINORITY;
        if self.faults.get(main).is_none_or(|[injected, ..]| *injected == 0) {
            self.violations.push(format!(
                "in {} runs no leader was in a minority: such a set does not count; run a scenario with {main}",
                self.runs
            ));
        }
        for (name, [_, violated, unknown]) in &self.invariants {
            if *violated > 0 {
                self.violations.push(format!("{name} was violated in {violated} runs"));
            }
            if *unknown > 0 {
                self.violations.push(format!("{name} is unknown in {unknown} runs"));
            }
        }
    }
}

impl Report for Coverage {
    fn rows(&self) -> Vec<Vec<String>> {
        let head = |words: [&str; 4]| words.map(str::to_owned).to_vec();
        let row = |(name, counts): (&String, &[u64; 3])| {
            std::iter::once(name.clone()).chain(counts.map(|count| count.to_string())).collect()
        };
        let mut rows = vec![head(["fault", "injected", "skipped", "indeterminate"])];
        rows.extend(self.faults.iter().map(row));
        rows.push(Vec::new());
        rows.push(head(["invariant", "held", "violated", "unknown"]));
        rows.extend(self.invariants.iter().map(row));
        rows
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FaultRecord, InvariantRecord};

    fn run(fault: &str, injection: Injection, verdict: Verdict) -> RunRecord {
        RunRecord {
            faults: vec![FaultRecord {
                fault: fault.to_owned(),
                targets: Vec::new(),
                from_ms: 0,
                until_ms: None,
                injection,
                why: String::new(),
            }],
            invariants: vec![InvariantRecord {
                invariant: "states-equal".to_owned(),
                verdict,
                checked: 1,
                evidence: String::new(),
            }],
            ..RunRecord::default()
        }
    }

    /// Without it a set of runs that never came near the hard case would count as one that did.
    #[test]
    fn a_set_without_a_leader_in_a_minority_does_not_count() {
        let main = catalogue::LEADER_IN_MINORITY;
        let tried = Coverage::of(&[run(main, Injection::Indeterminate, Verdict::Held)]);
        assert_eq!(tried.violations.len(), 1, "{:?}", tried.violations);
        let runs = [
            run(main, Injection::Injected, Verdict::Held),
            run("kill-all", Injection::Skipped, Verdict::Held),
        ];
        let covered = Coverage::of(&runs);
        assert!(covered.violations.is_empty(), "{:?}", covered.violations);
        assert_eq!((covered.faults[main], covered.faults["kill-all"]), ([1, 0, 0], [0, 1, 0]));
        assert_eq!(covered.faults["kill-leader"], [0, 0, 0], "what nobody tried is told");
        assert_eq!(covered.invariants["states-equal"], [2, 0, 0]);
        let broken = Coverage::of(&[run(main, Injection::Injected, Verdict::Violated)]);
        assert_eq!(broken.violations.len(), 1);
    }
}
