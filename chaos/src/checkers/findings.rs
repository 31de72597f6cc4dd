use crate::record::{InvariantRecord, Verdict};

/// Violations that are kept in words; further ones are counted.
const MOST_WORDS: usize = 20;

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    checked: u64,
    violations: Vec<String>,
    further: u64,
    undecided: Vec<String>,
    figures: Vec<String>,
}

impl Findings {
    /// Notes that `count` more things were checked.
    pub fn checked(&mut self, count: usize) {
        self.checked += count as u64;
    }

    /// Notes something that must not be.
    pub fn violated(&mut self, what: impl Into<String>) {
        if self.violations.len() < MOST_WORDS {
            self.violations.push(what.into());
        } else {
            self.further += 1;
        }
    }

    /// Notes `what` unless it `holds`.
    pub fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violated(what());
        }
    }

    /// Notes that a part of the check came to no end, and why.
    pub fn undecided(&mut self, why: impl Into<String>) {
        self.undecided.push(why.into());
    }

    /// Adds a figure that shows what was checked.
    pub fn figure(&mut self, figure: impl Into<String>) {
        self.figures.push(figure.into());
    }

    /// Takes over what another check came to.
    pub fn merge(&mut self, other: Self) {
        self.checked += other.checked;
        self.further += other.further;
        other.violations.into_iter().for_each(|violation| self.violated(violation));
        self.undecided.extend(other.undecided);
        self.figures.extend(other.figures);
    }

    /// What was found wrong, in words.
    pub fn violations(&self) -> Vec<String> {
        let mut violations = self.violations.clone();
        if self.further > 0 {
            violations.push(format!("and {} more", self.further));
        }
        violations
    }

    /// Violated if anything is wrong; unknown if a part came to no end or nothing was checked.
    pub fn verdict(&self) -> Verdict {
        if !self.violations.is_empty() {
            Verdict::Violated
        } else if !self.undecided.is_empty() || self.checked == 0 {
            Verdict::Unknown
        } else {
            Verdict::Held
        }
    }

    /// As a run leaves it behind, under the name of `invariant`.
    pub fn record(&self, invariant: &str) -> InvariantRecord {
        let told = match self.verdict() {
            Verdict::Violated => self.violations(),
            Verdict::Unknown if self.undecided.is_empty() => vec!["nothing to check".to_owned()],
            Verdict::Unknown => self.undecided.clone(),
            Verdict::Held => self.figures.clone(),
        };
        InvariantRecord {
            invariant: invariant.to_owned(),
            verdict: self.verdict(),
            checked: self.checked,
            evidence: told.join("; "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a check that never ended, or that saw nothing, would pass.
    #[test]
    fn only_what_was_checked_to_the_end_holds() {
        let mut findings = Findings::default();
        assert_eq!(findings.verdict(), Verdict::Unknown);
        assert_eq!(findings.record("a").evidence, "nothing to check");
        findings.checked(2);
        findings.figure("2 keys");
        assert_eq!(findings.record("a").evidence, "2 keys");
        assert_eq!(findings.verdict(), Verdict::Held);
        findings.undecided("key b took too long");
        assert_eq!(findings.verdict(), Verdict::Unknown);
        assert_eq!(findings.record("a").evidence, "key b took too long");
        let mut other = Findings::default();
        (0..MOST_WORDS + 2).for_each(|number| other.violated(number.to_string()));
        findings.merge(other);
        assert_eq!(findings.verdict(), Verdict::Violated);
        assert!(findings.record("a").evidence.ends_with("; 19; and 2 more"));
    }
}
