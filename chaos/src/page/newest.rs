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
            let ranges = seeds.map_or_else(Vec::new, |seeds| uncovered(&covered, range(seeds)));
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

fn range(record: &SeedsRecord) -> (u64, u64) {
    (record.first, record.first.saturating_add(record.run))
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
        let run = |first, run| {
            let seeds = SeedsRecord { first, run, ..SeedsRecord::default() };
            RunRecord { seeds: Some(seeds), ..RunRecord::default() }
        };
        let newest = Newest::of(&[run(1, 10), RunRecord::default(), run(4, 3)]);
        let counts: Vec<_> = newest.iter().map(Newest::count).collect();
        assert_eq!(counts, [7, 0, 3]);
        assert!(newest[0].has(3) && !newest[0].has(4) && newest[0].has(7) && newest[2].has(4));
    }
}
