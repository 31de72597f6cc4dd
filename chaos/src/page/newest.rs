use std::iter;

use crate::record::{RunRecord, SeedsRecord};

/// The seeds of a run that no newer run has: of a seed that was run more than once the newest run counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Newest {
    /// First seed and the one after the last, without an overlap.
    ranges: Vec<(u64, u64)>,
}

impl Newest {
    /// Those of each of `runs`, oldest first; a run of processes has none.
    pub(super) fn of(runs: &[RunRecord]) -> Vec<Self> {
        let mut covered = Vec::new();
        let newest_first = runs.iter().rev().map(|run| {
            let seeds = run.seeds.as_ref();
            let ranges: Vec<_> = seeds.into_iter().flat_map(ranges).collect();
            let ranges = ranges.into_iter().flat_map(|range| uncovered(&covered, range)).collect();
            covered.extend(&ranges);
            Self { ranges }
        });
        let mut all: Vec<_> = newest_first.collect();
        all.reverse();
        all
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.ranges.iter().map(|(first, end)| end - first).sum()
    }

    /// Whether `seed` is one of them.
    pub(super) fn has(&self, seed: u64) -> bool {
        self.ranges.iter().any(|(first, end)| (*first..*end).contains(&seed))
    }
}

/// The seeds of a record; none lies in two of the ranges.
fn ranges(record: &SeedsRecord) -> impl Iterator<Item = (u64, u64)> {
    let from = |seed: u64, count| (seed, seed.saturating_add(count));
    let known = record.known.iter().map(move |seed| from(*seed, 1));
    iter::once(from(record.first, record.run)).chain(known)
}

/// The parts of `range` that none of `covered` has.
fn uncovered(covered: &[(u64, u64)], range: (u64, u64)) -> Vec<(u64, u64)> {
    let mut left = vec![range];
    for &(first, end) in covered {
        left = left
            .into_iter()
            .flat_map(|(from, to)| [(from, to.min(first)), (from.max(end), to)])
            .filter(|(from, to)| from < to)
            .collect();
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it an overlap in the middle would be counted twice or not at all.
    #[test]
    fn what_is_not_covered_is_left() {
        assert_eq!(uncovered(&[(3, 5), (8, 20)], (1, 10)), [(1, 3), (5, 8)]);
        assert_eq!(uncovered(&[(0, 20)], (1, 10)), []);
        assert_eq!(uncovered(&[], (1, 10)), [(1, 10)]);
    }

    /// Without it an older run could take seeds from a newer one.
    #[test]
    fn a_newer_run_has_the_seeds_that_two_have() {
        let run = |first, run, known: &[u64]| {
            let seeds = SeedsRecord { first, run, known: known.into(), ..SeedsRecord::default() };
            RunRecord { seeds: Some(seeds), ..RunRecord::default() }
        };
        let newest =
            Newest::of(&[run(1, 10, &[20, 30]), RunRecord::default(), run(4, 3, &[1, 20])]);
        let counts: Vec<_> = newest.iter().map(Newest::count).collect();
        assert_eq!(counts, [7, 0, 5]);
        let has = |at: usize, seeds: &[u64]| seeds.iter().all(|seed| newest[at].has(*seed));
        assert!(has(0, &[2, 3, 7, 10, 30]) && has(2, &[1, 4, 5, 6, 20]));
        assert!([1, 4, 20].iter().all(|seed| !newest[0].has(*seed)));
    }
}
