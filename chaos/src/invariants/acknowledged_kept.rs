use super::Invariant;
use crate::{
    checkers::{Findings, sets},
    evidence::Evidence,
};

/// What was acknowledged is there at the end, on every replica.
#[derive(Clone, Copy, Debug)]
pub struct AcknowledgedKept;

impl Invariant for AcknowledgedKept {
    fn name(&self) -> &'static str {
        "acknowledged-kept"
    }

    fn claim(&self) -> &'static str {
        "no acknowledged write is lost"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        sets::check_kept(&evidence.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::added_a_and_found,
        record::Verdict::{self, Held, Violated},
    };

    /// Without it a write could be lost after it was acknowledged, and the run pass.
    #[test]
    fn a_lost_element_is_found() {
        let table: [(&[(&str, u64)], Verdict); 2] = [(&[("a", 1)], Held), (&[("b", 1)], Violated)];
        for (elements, expected) in table {
            assert_eq!(AcknowledgedKept.check(&added_a_and_found(elements)).verdict(), expected);
        }
    }
}
