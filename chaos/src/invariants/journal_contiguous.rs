use super::Invariant;
use crate::{
    checkers::{Findings, journal},
    evidence::Evidence,
};

/// The journal of each replica has no gap and no duplicate.
#[derive(Clone, Copy, Debug)]
pub struct JournalContiguous;

impl Invariant for JournalContiguous {
    fn name(&self) -> &'static str {
        "journal-contiguous"
    }

    fn claim(&self) -> &'static str {
        "no journal has a gap"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        journal::check_contiguous(&evidence.journals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::event,
        record::Verdict::{Held, Violated},
    };

    /// Without it a replica could leave events out.
    #[test]
    fn a_gap_is_found() {
        for (index, expected) in [(2, Held), (3, Violated)] {
            let of = |second| vec![event(1, "fleet", "a", ""), event(second, "fleet", "b", "")];
            let journals = [("r1".to_owned(), of(2)), ("r2".to_owned(), of(index))].into();
            let evidence = Evidence { journals, ..Evidence::default() };
            assert_eq!(JournalContiguous.check(&evidence).verdict(), expected);
        }
    }
}
