use super::Invariant;
use crate::{
    checkers::{Findings, sets},
    evidence::Evidence,
};

/// Nothing is there that nobody sent, or that was refused.
#[derive(Clone, Copy, Debug)]
pub struct NoPhantom;

impl Invariant for NoPhantom {
    fn name(&self) -> &'static str {
        "no-phantom"
    }

    fn claim(&self) -> &'static str {
        "nothing is there that nobody sent"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        sets::check_phantoms(&evidence.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::added_a_and_found,
        record::Verdict::{self, Held, Violated},
    };

    /// Without it records from nowhere could pass.
    #[test]
    fn an_element_from_nowhere_is_found() {
        let table: [(&[(&str, u64)], Verdict); 2] =
            [(&[("a", 1)], Held), (&[("a", 1), ("b", 1)], Violated)];
        for (elements, expected) in table {
            assert_eq!(NoPhantom.check(&added_a_and_found(elements)).verdict(), expected);
        }
    }
}
