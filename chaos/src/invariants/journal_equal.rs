use super::Invariant;
use crate::{
    checkers::{Findings, journal},
    evidence::Evidence,
};

/// All replicas tell the same journal, as far as each has come.
#[derive(Clone, Copy, Debug)]
pub struct JournalEqual;

impl Invariant for JournalEqual {
    fn name(&self) -> &'static str {
        "journal-equal"
    }

    fn claim(&self) -> &'static str {
        "all journals tell the same"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        journal::check_equal(&evidence.journals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::event,
        record::Verdict::{Held, Violated},
    };

    /// Without it two replicas could tell different stories.
    #[test]
    fn another_story_is_found() {
        for (kind, expected) in [("b", Held), ("c", Violated)] {
            let of = |second| vec![event(1, "fleet", "a", ""), event(2, "fleet", second, "")];
            let journals = [("r1".to_owned(), of("b")), ("r2".to_owned(), of(kind))].into();
            let evidence = Evidence { journals, ..Evidence::default() };
            assert_eq!(JournalEqual.check(&evidence).verdict(), expected);
        }
    }
}
