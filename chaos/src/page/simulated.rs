use std::collections::BTreeMap;

use super::newest::Newest;
use crate::record::{FailedSeed, RunRecord, SeedsRecord};

/// Seeds a minute and processor that are claimed, on a machine that has nothing else to do.
const CLAIMED_PACE: f64 = 60.0;

/// Simulated seeds of all records. Of a seed that was run more than once the newest run counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Simulated {
    /// Records that have seeds.
    pub records: u64,
    /// Seeds, each counted once.
    pub seeds: u64,
    /// Those whose newest run found something, in order.
    pub failed: Vec<FailedSeed>,
    /// Those that failed in an older run and did not in a newer one.
    pub mended: Vec<FailedSeed>,
    /// How fast it went, for each processor: the fastest record's figure, since the others ran beside something else.
    pub seeds_per_minute_and_core: f64,
    /// The same of the record in the middle.
    pub middle_pace: f64,
    /// Simulated time, milliseconds.
    pub simulated_ms: u64,
    /// How often each fault was injected.
    pub injected: BTreeMap<String, u64>,
    /// Trace hashes of the seeds that were run twice.
    pub repeated: BTreeMap<u64, String>,
}

impl Simulated {
    /// Of `runs`, oldest first; `None` if none was simulated.
    pub(super) fn of(runs: &[RunRecord]) -> Option<Self> {
        let records = runs.iter().zip(Newest::of(runs));
        let records: Vec<(&SeedsRecord, Newest)> =
            records.filter_map(|(run, newest)| Some((run.seeds.as_ref()?, newest))).collect();
        if records.is_empty() {
            return None;
        }
        let paces = records.iter().map(|(record, _)| record.seeds_per_minute_and_core);
        let mut paces: Vec<f64> = paces.collect();
        paces.sort_by(f64::total_cmp);
        let mut all = Self {
            records: records.len() as u64,
            seeds_per_minute_and_core: paces.last().copied().unwrap_or(0.0),
            middle_pace: paces.get(paces.len() / 2).copied().unwrap_or(0.0),
            ..Self::default()
        };
        for (record, newest) in records.into_iter().rev() {
            for failed in &record.failed {
                let list = if newest.has(failed.seed) { &mut all.failed } else { &mut all.mended };
                list.push(failed.clone());
            }
            for (seed, hash) in &record.repeated {
                all.repeated.entry(*seed).or_insert_with(|| hash.clone());
            }
            if newest.count() == 0 {
                continue;
            }
            all.seeds += newest.count();
            all.simulated_ms += record.simulated_ms;
            for (fault, count) in &record.injected {
                *all.injected.entry(fault.clone()).or_default() += count;
            }
        }
        all.mended.retain(|old| all.failed.iter().all(|failed| failed.seed != old.seed));
        all.failed.sort_by_key(|failed| failed.seed);
        all.mended.sort_by_key(|failed| failed.seed);
        all.mended.dedup_by_key(|failed| failed.seed);
        Some(all)
    }

    /// That they ran slower than is claimed, in words.
    pub(super) fn miss(&self) -> Option<String> {
        let pace = self.seeds_per_minute_and_core;
        (pace < CLAIMED_PACE).then(|| {
            format!(
                "simulation: {pace:.0} seeds a minute and core at best, {CLAIMED_PACE:.0} are claimed"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: u64, run: u64, failed: &[u64]) -> RunRecord {
        let failed = failed.iter().map(|&seed| FailedSeed {
            seed,
            why: vec!["lost".to_owned()],
            replay: format!("sim --seed {seed}"),
        });
        let injected = [("kill-leader".to_owned(), run)].into();
        let failed = failed.collect();
        let seeds = SeedsRecord { first, run, failed, injected, ..SeedsRecord::default() };
        RunRecord { seeds: Some(seeds), ..RunRecord::default() }
    }

    /// Without it the same seeds, run every night, would be told as thousands of different ones.
    #[test]
    fn each_seed_counts_once() {
        let all = Simulated::of(&[run(1, 100, &[]), run(51, 100, &[]), run(51, 100, &[])]).unwrap();
        assert_eq!((all.records, all.seeds), (3, 150));
        // The record in the middle has nothing that the last one lacks.
        assert_eq!(all.injected["kill-leader"], 200);
        assert_eq!(Simulated::of(&[RunRecord::default()]), None);
    }

    /// Without it the pace of the last run alone would be told, which may have shared the machine, or the best as if it were usual.
    #[test]
    fn the_fastest_run_tells_the_pace() {
        let at = |pace| {
            let record = run(1, 10, &[]);
            let seeds =
                record.seeds.map(|seeds| SeedsRecord { seeds_per_minute_and_core: pace, ..seeds });
            RunRecord { seeds, ..record }
        };
        let slow = Simulated::of(&[at(20.0), at(41.0), at(13.0)]).unwrap();
        assert!(slow.miss().unwrap().contains("41 seeds a minute and core at best"));
        assert!((slow.middle_pace - 20.0).abs() < 1e-9, "{}", slow.middle_pace);
        assert_eq!(Simulated::of(&[at(60.0), at(13.0)]).unwrap().miss(), None);
    }

    /// Without it a seed that failed and was mended would fail for ever, or never have failed.
    #[test]
    fn the_newest_run_of_a_seed_decides() {
        let all = Simulated::of(&[run(1, 10, &[3, 4]), run(4, 10, &[7]), run(20, 1, &[])]).unwrap();
        let seeds = |failed: &[FailedSeed]| failed.iter().map(|it| it.seed).collect::<Vec<_>>();
        assert_eq!(seeds(&all.failed), [3, 7]);
        assert_eq!(seeds(&all.mended), [4]);
    }
}
