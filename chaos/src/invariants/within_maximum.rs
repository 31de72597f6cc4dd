use super::Invariant;
use crate::{checkers::Findings, evidence::Evidence};

/// At no instant of the ledger a pool has more machines than its maximum.
#[derive(Clone, Copy, Debug)]
pub struct WithinMaximum;

impl Invariant for WithinMaximum {
    fn name(&self) -> &'static str {
        "within-maximum"
    }

    fn claim(&self) -> &'static str {
        "at no instant a pool has more machines than its maximum"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        let Some(ledger) = &evidence.ledger else { return findings };
        for entry in ledger {
            for (pool, maximum) in &evidence.maxima {
                let live = entry.live_by_pool.get(pool).copied().unwrap_or(0);
                findings.checked(1);
                findings.expect(live <= *maximum, || {
                    format!("{live} machines of {pool}, at most {maximum}: {entry:?}")
                });
            }
        }
        let peak = |pool: &String| ledger.iter().filter_map(|one| one.live_by_pool.get(pool)).max();
        for (pool, maximum) in &evidence.maxima {
            let peak = peak(pool).copied().unwrap_or(0);
            findings.figure(format!("{pool}: {peak} at once, at most {maximum}"));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::{bought, told},
        record::Verdict::{Held, Unknown, Violated},
    };

    /// Without it a pool could grow beyond its bound for a moment, and the bill with it.
    #[test]
    fn a_moment_above_the_maximum_is_found() {
        for (maximum, expected) in [(Some(1), Held), (Some(0), Violated), (None, Unknown)] {
            let mut evidence = told(Vec::new(), vec![bought(1, 1, "i1")]);
            evidence.maxima =
                maximum.map(|maximum| ("a".to_owned(), maximum)).into_iter().collect();
            assert_eq!(WithinMaximum.check(&evidence).verdict(), expected);
        }
    }
}
