use super::Invariant;
use crate::{
    checkers::{Findings, sets},
    evidence::Evidence,
};

/// What was sent again under its request id took effect once.
#[derive(Clone, Copy, Debug)]
pub struct AppliedOnce;

impl Invariant for AppliedOnce {
    fn name(&self) -> &'static str {
        "applied-once"
    }

    fn claim(&self) -> &'static str {
        "nothing is applied twice, however often it is sent"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        sets::check_single(&evidence.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::added_a_and_found,
        record::Verdict::{self, Held, Violated},
    };

    /// Without it a retry could take effect again, and the run pass.
    #[test]
    fn a_second_effect_is_found() {
        let table: [(&[(&str, u64)], Verdict); 2] = [(&[("a", 1)], Held), (&[("a", 2)], Violated)];
        for (elements, expected) in table {
            assert_eq!(AppliedOnce.check(&added_a_and_found(elements)).verdict(), expected);
        }
    }
}
