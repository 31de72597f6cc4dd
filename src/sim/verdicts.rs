use serde::Serialize;

use super::{
    assertion::{Assertion, Finding, When},
    snapshot::{Journal, Snapshot},
};
use crate::config::format_millis;

/// What became of an assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What a person calls it.
    pub name: String,
    /// What must hold.
    pub claim: String,
    /// When.
    pub when: String,
    /// Whether it held.
    pub passed: bool,
    /// What was seen, and when.
    pub evidence: String,
}

/// An assertion that is being watched.
pub(super) struct Watched {
    assertion: Assertion,
    verdict: Option<(bool, String)>,
    /// What was seen last.
    last: String,
}

impl Watched {
    pub(super) fn new(assertion: Assertion) -> Self {
        Self { assertion, verdict: None, last: "it was never looked at".to_owned() }
    }

    /// Looks, if it is time to.
    pub(super) fn look(&mut self, at_ms: u64, now: &Snapshot, journal: &Journal) {
        let (When::At(from_ms) | When::Within(from_ms, _) | When::Throughout(from_ms, _)) =
            self.assertion.when;
        if self.verdict.is_some() || at_ms < from_ms {
            return;
        }
        let Finding { holds, evidence } = self.assertion.claim.find(now, journal);
        let evidence = format!("{evidence} (at {})", format_millis(at_ms));
        let decided = match self.assertion.when {
            When::At(_) => true,
            When::Within(_, until_ms) => holds || at_ms >= until_ms,
            When::Throughout(_, until_ms) => !holds || at_ms >= until_ms,
        };
        self.last.clone_from(&evidence);
        if decided {
            self.verdict = Some((holds, evidence));
        }
    }

    /// What became of it; one whose time never came has failed.
    pub(super) fn verdict(&self) -> Verdict {
        let (passed, evidence) = match &self.verdict {
            Some((passed, evidence)) => (*passed, evidence.clone()),
            None => (false, self.last.clone()),
        };
        Verdict {
            name: self.assertion.name.clone(),
            claim: self.assertion.claim.to_string(),
            when: self.assertion.when.to_string(),
            passed,
            evidence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::assertion::{Claim, Range};

    fn outcome(when: When, bought: &[u32]) -> (bool, String) {
        let claim = Claim::MachinesBought(Range { min: Some(2.0), max: Some(3.0) });
        let mut watched = Watched::new(Assertion { name: String::new(), when, claim });
        for (at_ms, bought) in (0..).step_by(1_000).zip(bought) {
            let now = Snapshot { bought: *bought, ..Snapshot::default() };
            watched.look(at_ms, &now, &Journal::default());
        }
        let verdict = watched.verdict();
        (verdict.passed, verdict.evidence)
    }

    /// Without it an assertion could pass at a time that it does not speak of.
    #[test]
    fn assertions_are_judged_in_their_time() {
        let bought = [0, 2, 3, 4];
        let table = [
            (When::At(1_000), true, "machines bought: 2 (at 1s)"),
            (When::At(3_000), false, "machines bought: 4 (at 3s)"),
            (When::Within(0, 3_000), true, "machines bought: 2 (at 1s)"),
            (When::Within(3_000, 3_000), false, "machines bought: 4 (at 3s)"),
            (When::Throughout(1_000, 2_000), true, "machines bought: 3 (at 2s)"),
            (When::Throughout(1_000, 3_000), false, "machines bought: 4 (at 3s)"),
            (When::At(9_000), false, "it was never looked at"),
            (When::Throughout(1_000, 9_000), false, "machines bought: 4 (at 3s)"),
        ];
        for (when, passed, evidence) in table {
            assert_eq!(outcome(when, &bought), (passed, evidence.to_owned()), "{when}");
        }
    }
}
