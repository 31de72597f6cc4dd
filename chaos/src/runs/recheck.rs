use std::path::Path;

use serde::Serialize;

use crate::{
    error::ChaosError,
    evidence::Evidence,
    history,
    invariants::{self, Invariant},
    record::InvariantRecord,
    report::Report,
};

/// What a history shows by itself.
const INVARIANTS: [&dyn Invariant; 5] = [
    &invariants::AcknowledgedKept,
    &invariants::AppliedOnce,
    &invariants::NoPhantom,
    &invariants::RegistersLinearizable,
    &invariants::SessionsForward,
];

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct RecheckReport {
    /// Events of the history.
    pub events: usize,
    /// What was checked, and what it came to.
    pub invariants: Vec<InvariantRecord>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Judges a history that an earlier run wrote into `file`.
///
/// # Errors
///
/// If the file cannot be read.
pub fn recheck(file: &Path) -> Result<RecheckReport, ChaosError> {
    let evidence = Evidence { history: history::read(file)?, ..Evidence::default() };
    let invariants = invariants::judge(&INVARIANTS, &evidence);
    let violations = invariants::unmet(&invariants);
    Ok(RecheckReport { events: evidence.history.len(), invariants, violations })
}

impl Report for RecheckReport {
    fn rows(&self) -> Vec<Vec<String>> {
        let events = vec!["events".to_owned(), self.events.to_string()];
        [events].into_iter().chain(self.invariants.iter().map(InvariantRecord::row)).collect()
    }

    fn violations(&self) -> &[String] {
        &self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Operation, Recorder, Value};

    /// Without it a history that somebody was sent could not be judged, or whatever it tells would pass.
    #[test]
    fn a_stale_read_in_a_file_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("history.jsonl");
        for (seen, complaint) in [(2, false), (1, true)] {
            let recorder = Recorder::default();
            for value in [1, 2] {
                let write = Operation::Write { key: "k".to_owned(), value };
                recorder.invoke(0, 0, write).ok(1, None, Some(value));
            }
            let read = recorder.invoke(2, 0, Operation::Read { key: "k".to_owned() });
            read.ok(3, Some(Value::Register(Some(seen))), Some(2));
            history::write(&file, &recorder.events()).unwrap();
            let violations = recheck(&file).unwrap().violations;
            let stale = violations.iter().any(|one| one.starts_with("registers-linearizable: k:"));
            assert_eq!(stale, complaint, "{violations:?}");
            // A history without sets says nothing of them, and that is no pass.
            assert!(violations.contains(&"no-phantom: unknown: nothing to check".to_owned()));
        }
    }
}
