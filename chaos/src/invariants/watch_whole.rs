use super::Invariant;
use crate::{
    checkers::{Findings, journal},
    evidence::{Evidence, Watch},
};

/// A watch of the journal tells every event once, however often it breaks and is resumed.
#[derive(Clone, Copy, Debug)]
pub struct WatchWhole;

impl Invariant for WatchWhole {
    fn name(&self) -> &'static str {
        "watch-whole"
    }

    fn claim(&self) -> &'static str {
        "a watch tells every event once, however often it is resumed"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        for Watch { watcher, since, resumed, indices } in &evidence.watches {
            findings.merge(journal::check_watch(watcher, *since, indices));
            findings
                .figure(format!("{watcher}: {} events, resumed {resumed} times", indices.len()));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict::{Held, Violated};

    /// Without it a watch could lose what happened while it was broken.
    #[test]
    fn a_gap_after_resuming_is_found() {
        for (indices, expected) in [(vec![3, 4, 5], Held), (vec![3, 5], Violated)] {
            let watch = Watch { watcher: "w".to_owned(), since: 2, resumed: 1, indices };
            let evidence = Evidence { watches: vec![watch], ..Evidence::default() };
            assert_eq!(WatchWhole.check(&evidence).verdict(), expected);
        }
    }
}
