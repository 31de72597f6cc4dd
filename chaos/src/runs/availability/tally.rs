use std::time::Duration;

use super::{
    blow::{Blow, Load},
    subject::Phases,
};
use crate::{
    load::{Acknowledged, Dip},
    record::{AvailabilityRecord, FaultRecord},
    report::Spread,
};

/// Failed calls that are kept in words; further ones are counted.
const MOST_WORDS: usize = 20;

/// What one blow cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) phases: Phases,
    pub(super) first_write: Duration,
    pub(super) dip: Option<Dip>,
}

/// All blows of one kind on one group under one load.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) samples: Vec<Sample>,
    pub(super) faults: Vec<FaultRecord>,
    /// Why calls failed, the first of them.
    pub(super) failures: Vec<String>,
    pub(super) failed: u64,
    pub(super) acknowledged: u64,
}

impl Tally {
    /// Counts what clients were told.
    pub(super) fn told(&mut self, told: &Acknowledged) {
        self.acknowledged += told.writes.len() as u64;
        self.failed += told.failures.len() as u64;
        let room = MOST_WORDS.saturating_sub(self.failures.len());
        self.failures.extend(told.failures.iter().take(room).map(|(_, why)| why.clone()));
    }

    /// All of it as a record; none if nothing was measured.
    pub(super) fn record(
        &self,
        system: &str,
        blow: Blow,
        load: Load,
    ) -> Option<AvailabilityRecord> {
        if self.samples.is_empty() {
            return None;
        }
        let dips: Vec<_> = self.samples.iter().filter_map(|sample| sample.dip).collect();
        // Its count tells how often it was seen.
        let recovery = self.spread(|sample| sample.dip?.recovered);
        let mut lowest: Vec<_> = dips.iter().map(|dip| dip.lowest_percent).collect();
        lowest.sort_unstable();
        Some(AvailabilityRecord {
            system: system.to_owned(),
            fault: blow.name().to_owned(),
            load: load.name().to_owned(),
            detect: self.spread(|sample| sample.phases.detect),
            elect: self.spread(|sample| sample.phases.elect),
            first_write: self.spread(|sample| Some(sample.first_write)).unwrap_or_default(),
            first_act: self.spread(|sample| sample.phases.first_act),
            recovery,
            lowest_percent: lowest.get(lowest.len() / 2).copied(),
            failed_calls: self.failed,
            acknowledged_calls: self.acknowledged,
        })
    }

    fn spread(&self, of: impl Fn(&Sample) -> Option<Duration>) -> Option<Spread> {
        let durations: Vec<_> = self.samples.iter().filter_map(of).collect();
        (!durations.is_empty()).then(|| Spread::of(&durations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a blow after which throughput never came back would pass for one that cost nothing.
    #[test]
    fn a_recovery_that_was_not_seen_is_missing_from_the_count() {
        let sample = |recovered| Sample {
            first_write: Duration::from_millis(700),
            dip: Some(Dip { lowest_percent: 0, recovered }),
            ..Sample::default()
        };
        let samples = vec![sample(Some(Duration::from_secs(1))), sample(None)];
        let tally = Tally { samples, ..Tally::default() };
        let record = tally.record("navarch", Blow::Kill, Load::Loaded).unwrap();
        assert_eq!(record.recovery.map(|spread| spread.count), Some(1));
        assert_eq!((record.detect, record.first_write.count), (None, 2));
        assert_eq!(Tally::default().record("navarch", Blow::Kill, Load::Loaded), None);
    }
}
