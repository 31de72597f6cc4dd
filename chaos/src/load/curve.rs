use std::{collections::BTreeMap, time::Duration};

use navarch_host::Moment;

use super::Acknowledged;
use crate::{
    record::LoadPoint,
    report::{Spread, millis_of},
};

/// How long a slice is.
const SLICE: Duration = Duration::from_millis(100);

/// Throughput and latency over time, in slices of a tenth of a second.
#[derive(Clone, Debug)]
pub struct Curve {
    start: Moment,
    slices: BTreeMap<u64, Slice>,
}

#[derive(Clone, Debug, Default)]
struct Slice {
    took: Vec<Duration>,
    failed: u64,
}

impl Curve {
    /// An empty one, whose first slice begins at `start`.
    pub fn new(start: Moment) -> Self {
        Self { start, slices: BTreeMap::new() }
    }

    /// Adds what clients were told, who were at it from `from` until `until`: within that a slice without an
    /// acknowledgement counts as one in which there was none, and not as one that nobody measured.
    pub fn add(&mut self, told: &Acknowledged, (from, until): (Moment, Moment)) {
        for number in self.number(from)..=self.number(until) {
            self.slices.entry(number).or_default();
        }
        for write in &told.writes {
            self.slices.entry(self.number(write.at)).or_default().took.push(write.took);
        }
        for (at, _) in &told.failures {
            self.slices.entry(self.number(*at)).or_default().failed += 1;
        }
    }

    /// The slices, in the order of time.
    pub fn points(&self) -> Vec<LoadPoint> {
        let length_ms = millis_of(SLICE);
        let point = |(number, slice): (&u64, &Slice)| {
            let Spread { p50_ms, p99_ms, .. } = Spread::of(&slice.took);
            let (acknowledged, failed) = (slice.took.len() as u64, slice.failed);
            LoadPoint { at_ms: number * length_ms, length_ms, acknowledged, failed, p50_ms, p99_ms }
        };
        self.slices.iter().map(point).collect()
    }

    /// How throughput fell at `fault` and when it was back; `None` if there was none to fall.
    pub fn dip(&self, fault: Moment) -> Option<Dip> {
        let at = self.number(fault);
        let count = |slice: &Slice| slice.took.len() as u64;
        // The slice of the fault belongs to neither side. Measured time before it reaches back to the first gap.
        let before = (at.saturating_sub(BEFORE)..at).filter_map(|number| self.slices.get(&number));
        let before: Vec<_> = before.map(count).collect();
        let usual = before.iter().sum::<u64>() / (before.len() as u64).max(1);
        if usual == 0 {
            return None;
        }
        let after = self.slices.range(at + 1..).map(|(number, slice)| (*number, count(slice)));
        let after: Vec<_> = after.collect();
        let lowest = after.iter().map(|(_, count)| *count).min().unwrap_or(0);
        // Three slices in a row, so that one burst is not taken for the recovery.
        let back = after.windows(3).find(|next| {
            next.iter().map(|(_, count)| count).sum::<u64>() * 10 >= 3 * usual * RECOVERED_TENTHS
        });
        let recovered = back.map(|next| {
            let begins = self.start + SLICE * u32::try_from(next[0].0).unwrap_or(u32::MAX);
            begins.since(fault)
        });
        Some(Dip { lowest_percent: (lowest * 100 / usual).min(100), recovered })
    }

    fn number(&self, at: Moment) -> u64 {
        millis_of(at.since(self.start)) / millis_of(SLICE)
    }
}

/// Slices before a fault that tell how much is usual.
const BEFORE: u64 = 5;

/// Throughput is back when it is at so many tenths of what is usual.
const RECOVERED_TENTHS: u64 = 9;

/// What became of throughput after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dip {
    /// The slice with the fewest acknowledgements, in percent of those before the fault.
    pub lowest_percent: u64,
    /// From the fault until nine tenths of what was usual were acknowledged again; `None`: not while it was
    /// looked at.
    pub recovered: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{host::Host, load::Written};

    fn told(start: Moment, per_slice: &[u64]) -> Acknowledged {
        let mut told = Acknowledged::default();
        for (number, &count) in (0_u32..).zip(per_slice) {
            let at = start + SLICE * number + SLICE / 2;
            let took = Duration::from_millis(4);
            told.writes.extend((0..count).map(|_| Written { at, took }));
        }
        told
    }

    /// Without it a time in which nobody was answered would be drawn as if nobody had asked.
    #[tokio::test]
    async fn silence_is_a_slice_without_answers() {
        let start = Host::system().clock.now();
        let mut curve = Curve::new(start);
        let mut told = told(start, &[3, 0, 1]);
        told.failures.push((start + SLICE, "refused".to_owned()));
        curve.add(&told, (start, start + SLICE * 3));
        let points = curve.points();
        let counts: Vec<_> =
            points.iter().map(|point| (point.acknowledged, point.failed)).collect();
        assert_eq!(counts, [(3, 0), (0, 1), (1, 0), (0, 0)]);
        assert_eq!((points[2].at_ms, points[2].length_ms), (200, 100));
        assert!((points[0].p50_ms - 4.0).abs() < 1e-9);
    }

    /// Without it a burst right after an election could pass for a group that has recovered.
    #[tokio::test]
    async fn recovery_is_three_slices_long() {
        let start = Host::system().clock.now();
        let mut curve = Curve::new(start);
        let counts = [10, 10, 10, 10, 10, 5, 0, 0, 12, 0, 4, 9, 9, 10];
        curve.add(&told(start, &counts), (start, start + SLICE * 13));
        let fault = start + SLICE * 5 + SLICE / 2;
        let dip = curve.dip(fault).unwrap();
        assert_eq!(dip, Dip { lowest_percent: 0, recovered: Some(SLICE * 5 + SLICE / 2) });
        assert_eq!(Curve::new(start).dip(fault), None);
    }
}
