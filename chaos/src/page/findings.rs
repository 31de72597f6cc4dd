use std::collections::BTreeMap;

use super::newest::Newest;
use crate::record::{InvariantRecord, RunRecord, Verdict};

/// An invariant over all runs that checked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub invariant: String,
    /// The worst that it came to.
    pub verdict: Verdict,
    /// Runs in which it held, was broken, or is unknown.
    pub held: u64,
    /// Runs in which it was broken.
    pub violated: u64,
    /// Runs in which nobody knows.
    pub unknown: u64,
    /// How many things it was checked on, in all runs.
    pub checked: u64,
    /// Run and evidence: every run that does not hold, or one for all that do.
    pub evidence: Vec<(String, String)>,
}

impl Finding {
    /// All invariants of `runs`: the broken ones first, then the unknown.
    pub(super) fn all(runs: &[RunRecord]) -> Vec<Self> {
        let mut found = BTreeMap::<&str, Self>::new();
        for (run, newest) in runs.iter().zip(Newest::of(runs)) {
            for record in run.invariants.iter().filter(|record| counts(run, &newest, record)) {
                let finding =
                    found.entry(&record.invariant).or_insert_with(|| Self::new(&record.invariant));
                finding.checked += record.checked;
                match record.verdict {
                    Verdict::Held => finding.held += 1,
                    Verdict::Violated => finding.violated += 1,
                    Verdict::Unknown => finding.unknown += 1,
                }
                let worse = rank(record.verdict) < rank(finding.verdict);
                if worse || finding.evidence.is_empty() {
                    if finding.verdict == Verdict::Held {
                        finding.evidence.clear();
                    }
                    finding.verdict = record.verdict;
                }
                if record.verdict != Verdict::Held || finding.evidence.is_empty() {
                    finding.evidence.push((title(run), record.evidence.clone()));
                }
            }
        }
        let mut found: Vec<_> = found.into_values().collect();
        found.sort_by_key(|finding| (rank(finding.verdict), finding.invariant.clone()));
        found
    }

    fn new(invariant: &str) -> Self {
        Self {
            invariant: invariant.to_owned(),
            verdict: Verdict::Held,
            held: 0,
            violated: 0,
            unknown: 0,
            checked: 0,
            evidence: Vec::new(),
        }
    }
}

/// Whether a verdict still stands. One over simulated seeds does not once newer runs have all of them, or all that it failed
/// for: what those found is told with the seeds.
fn counts(run: &RunRecord, newest: &Newest, record: &InvariantRecord) -> bool {
    let Some(seeds) = &run.seeds else { return true };
    let told_anew = seeds.failed.iter().all(|failed| !newest.has(failed.seed));
    let mended = told_anew && !seeds.failed.is_empty();
    newest.count() > 0 && (record.verdict == Verdict::Held || !mended)
}

/// What a run is called.
pub(super) fn title(run: &RunRecord) -> String {
    if run.name.is_empty() { run.run.clone() } else { format!("{} {}", run.run, run.name) }
}

/// What must be seen first comes first.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Violated => 0,
        Verdict::Unknown => 1,
        Verdict::Held => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FailedSeed, SeedsRecord};

    fn run(name: &str, verdicts: &[(&str, Verdict)]) -> RunRecord {
        let invariants = verdicts.iter().map(|(invariant, verdict)| InvariantRecord {
            invariant: (*invariant).to_owned(),
            verdict: *verdict,
            checked: 5,
            evidence: format!("of {name}"),
        });
        RunRecord {
            name: name.to_owned(),
            invariants: invariants.collect(),
            ..RunRecord::default()
        }
    }

    /// Without it one broken run among many that held would drown.
    #[test]
    fn the_worst_comes_first_with_its_own_evidence() {
        let runs = [
            run("a", &[("x", Verdict::Held), ("y", Verdict::Held), ("z", Verdict::Unknown)]),
            run("b", &[("x", Verdict::Held), ("y", Verdict::Violated)]),
            run("c", &[("y", Verdict::Unknown), ("z", Verdict::Held)]),
        ];
        let found = Finding::all(&runs);
        let order: Vec<_> = found.iter().map(|it| (&*it.invariant, it.verdict)).collect();
        let expected = [("y", Verdict::Violated), ("z", Verdict::Unknown), ("x", Verdict::Held)];
        assert_eq!(order, expected);
        let evidence = |at: usize| found[at].evidence.iter().map(|(_, text)| &**text).collect();
        let [y, z, x]: [Vec<&str>; 3] = [0, 1, 2].map(evidence);
        assert_eq!((y, z, x), (vec!["of b", "of c"], vec!["of a"], vec!["of a"]));
        assert_eq!(
            (found[0].held, found[0].violated, found[0].unknown, found[0].checked),
            (1, 1, 1, 15)
        );
    }

    /// Without it what one seed found would stand at the head of every report for ever, whatever was mended since.
    #[test]
    fn what_newer_runs_of_the_seeds_mended_does_not_stand() {
        let seeds = |first, run, failed: &[u64]| {
            let failed = failed.iter().map(|&seed| FailedSeed {
                seed,
                why: Vec::new(),
                replay: String::new(),
            });
            Some(SeedsRecord { first, run, failed: failed.collect(), ..SeedsRecord::default() })
        };
        let broken = [("x", Verdict::Violated), ("y", Verdict::Held)];
        let failed = RunRecord { seeds: seeds(1, 10, &[3, 7]), ..run("a", &broken) };
        let whole = [("x", Verdict::Held), ("y", Verdict::Held)];
        let passed =
            |first, count| RunRecord { seeds: seeds(first, count, &[]), ..run("b", &whole) };
        let found = |later: RunRecord| {
            let found = Finding::all(&[failed.clone(), later]);
            found.into_iter().map(|it| (it.invariant, it.violated, it.held)).collect::<Vec<_>>()
        };
        let told = |x: (u64, u64), y| [("x".to_owned(), x.0, x.1), ("y".to_owned(), 0, y)];
        assert_eq!(found(passed(7, 1)), told((1, 1), 2), "seed 3 is not mended");
        assert_eq!(found(passed(3, 5)), told((0, 1), 2), "both are, and the other seeds count");
        assert_eq!(found(passed(0, 20)), told((0, 1), 1), "no seed of the old run counts");
    }
}
