use std::{collections::BTreeMap, time::Duration};

use crate::{
    history::{Event, EventKind, Operation},
    record::LoadPoint,
    report::Spread,
};

/// How long a slice of time is, milliseconds.
const LENGTH_MS: u64 = 1_000;

/// What clients that write saw in each second. Reads are left out: each replica has a client that reads from it alone,
/// and fails while its replica is down.
pub(super) fn load_points(history: &[Event]) -> Vec<LoadPoint> {
    let mut begun = BTreeMap::new();
    let mut slices: BTreeMap<u64, (Vec<Duration>, u64)> = BTreeMap::new();
    for event in history {
        let writes = match event.operation {
            Operation::Write { .. } | Operation::CompareAndSet { .. } | Operation::Add { .. } => {
                true
            }
            Operation::Read { .. } | Operation::Scan { .. } | Operation::ReadJournal { .. } => {
                false
            }
        };
        if !writes {
            continue;
        }
        let slice = event.at_us / 1_000 / LENGTH_MS;
        match event.kind {
            EventKind::Invoke => drop(begun.insert(event.call, event.at_us)),
            EventKind::Ok => {
                let since = begun.remove(&event.call).unwrap_or(event.at_us);
                let took = Duration::from_micros(event.at_us.saturating_sub(since));
                slices.entry(slice).or_default().0.push(took);
            }
            EventKind::Fail | EventKind::Info => slices.entry(slice).or_default().1 += 1,
        }
    }
    let last = slices.last_key_value().map_or(0, |(slice, _)| slice + 1);
    let point = |slice| {
        let (took, failed) = slices.get(&slice).cloned().unwrap_or_default();
        let Spread { count, p50_ms, p99_ms, .. } = Spread::of(&took);
        let acknowledged = u64::try_from(count).unwrap_or(u64::MAX);
        let (at_ms, length_ms) = (slice * LENGTH_MS, LENGTH_MS);
        LoadPoint { at_ms, length_ms, acknowledged, failed, p50_ms, p99_ms }
    };
    (0..last).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Recorder;

    /// Without it a dip would not show, because its seconds are left out, or its slow calls counted where they began.
    #[test]
    fn seconds_without_an_answer_are_told() {
        let recorder = Recorder::default();
        let add = |element: &str| {
            let (set, element) = ("s".to_owned(), element.to_owned());
            recorder.invoke(100_000, 0, Operation::Add { set, element })
        };
        let (quick, slow, lost) = (add("a"), add("b"), add("c"));
        quick.ok(110_000, None, None);
        slow.ok(2_300_000, None, None);
        lost.info(2_400_000, "no answer".to_owned());
        let points = load_points(&recorder.events());
        let told: Vec<_> =
            points.iter().map(|point| (point.at_ms, point.acknowledged, point.failed)).collect();
        assert_eq!(told, [(0, 1, 0), (1_000, 0, 0), (2_000, 1, 1)]);
        assert_eq!((points[0].p50_ms, points[2].p99_ms), (10.0, 2_200.0));
    }
}
