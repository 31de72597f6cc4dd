use std::collections::VecDeque;

use navarch_proto::{
    api::{HealthEvent, HealthEventType},
    timestamp::to_unix_ms,
};

use super::sighting::Seen;

/// How far apart the times may be that the driver and the kernel log give the same XID, milliseconds.
const WINDOW_MS: u64 = 5_000;
/// XIDs remembered at most: a storm is told twice rather than not at all.
const MAX_REMEMBERED: usize = 1_024;
/// What an event has instead of the index of a GPU that is not known.
const UNKNOWN_GPU: i32 = -1;

/// XIDs that one of the two has told and the other may still tell. Each is paired once, so that two XIDs of a
/// kind on one GPU stay two. What counts is when they happened: one of the two may be read long after the other.
#[derive(Debug, Default)]
pub(super) struct Pairs(VecDeque<Unpaired>);

#[derive(Debug)]
struct Unpaired {
    seen: Seen,
    event_id: String,
    at_ms: u64,
    gpu_index: i32,
    gpu_uuid: String,
    code: String,
}

impl Pairs {
    /// Whether the other one has told of the same XID. An event without a time of its own happened now.
    pub(super) fn is_second(&mut self, event: &HealthEvent, seen: Seen, now_ms: u64) -> bool {
        if event.event_type() != HealthEventType::Xid {
            return false;
        }
        let one = Unpaired {
            seen,
            event_id: event.event_id.clone(),
            at_ms: time_of(event).unwrap_or(now_ms),
            gpu_index: event.gpu_index,
            gpu_uuid: event.gpu_uuid.clone(),
            code: event.metrics.get("xid_code").cloned().unwrap_or_default(),
        };
        if let Some(index) = self.other(&one) {
            self.0.remove(index);
            return true;
        }
        let again = |known: &Unpaired| !one.event_id.is_empty() && known.event_id == one.event_id;
        if self.0.iter().any(again) {
            return false;
        }
        if self.0.len() == MAX_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(one);
        false
    }

    /// The nearest of the same GPU. Where one of the two does not know the GPU: the only one that may be it, for a
    /// guess among several would lose an XID of the others.
    fn other(&self, one: &Unpaired) -> Option<usize> {
        let near = self.0.iter().enumerate().filter(|(_, other)| {
            let apart_ms = other.at_ms.abs_diff(one.at_ms);
            other.seen != one.seen && other.code == one.code && apart_ms <= WINDOW_MS
        });
        let (mut same, mut perhaps) = (Vec::new(), Vec::new());
        for (index, other) in near {
            match one.is_on_gpu_of(other) {
                Some(true) => same.push((other.at_ms.abs_diff(one.at_ms), index)),
                Some(false) => {}
                None => perhaps.push(index),
            }
        }
        match (same.into_iter().min(), perhaps.as_slice()) {
            (Some((_, index)), _) => Some(index),
            (None, &[index]) => Some(index),
            (None, _) => None,
        }
    }
}

impl Unpaired {
    /// None: one of the two could not be mapped to a GPU.
    fn is_on_gpu_of(&self, other: &Self) -> Option<bool> {
        if !self.gpu_uuid.is_empty() && !other.gpu_uuid.is_empty() {
            return Some(self.gpu_uuid == other.gpu_uuid);
        }
        let known = self.gpu_index != UNKNOWN_GPU && other.gpu_index != UNKNOWN_GPU;
        known.then_some(self.gpu_index == other.gpu_index)
    }
}

/// Milliseconds since the Unix epoch; a time before it is none.
fn time_of(event: &HealthEvent) -> Option<u64> {
    event.timestamp.as_ref().filter(|time| time.seconds >= 0).map(to_unix_ms)
}

#[cfg(test)]
mod tests {
    use Seen::{Driver, KernelLog};

    use super::*;
    use navarch_proto::timestamp::from_unix_ms;

    fn xid(code: &str, gpu_index: i32, at_ms: u64) -> HealthEvent {
        HealthEvent {
            timestamp: Some(from_unix_ms(at_ms)),
            event_type: HealthEventType::Xid.into(),
            gpu_index,
            metrics: [("xid_code".to_owned(), code.to_owned())].into(),
            ..HealthEvent::default()
        }
    }

    /// Taken in one after the other, an hour late.
    fn plays(table: &[(Seen, &str, i32, u64, bool)]) {
        let mut pairs = Pairs::default();
        for &(seen, code, gpu, at_ms, second) in table {
            let event = xid(code, gpu, at_ms);
            let told = pairs.is_second(&event, seen, 3_600_000 + at_ms);
            assert_eq!(told, second, "{seen:?} {code} on {gpu} at {at_ms}");
        }
    }

    /// Without it one XID would count twice, or two as one.
    #[test]
    fn what_both_tell_is_one() {
        plays(&[
            (KernelLog, "79", 3, 1_000, false),
            (Driver, "79", 3, 1_100, true),
            // The pair is complete: this is another one.
            (Driver, "79", 3, 1_200, false),
            (Driver, "79", 3, 1_300, false),
            (KernelLog, "79", 3, 1_400, true),
            (KernelLog, "79", 3, 1_400, true),
            (KernelLog, "79", 3, 1_400, false),
            // Other codes and other GPUs have nothing to do with it.
            (Driver, "31", 0, 2_000, false),
            (KernelLog, "31", 1, 2_000, false),
            (KernelLog, "13", 0, 2_000, false),
        ]);
        let thermal = HealthEvent::default();
        let mut pairs = Pairs::default();
        assert!(!pairs.is_second(&thermal, Driver, 0) && !pairs.is_second(&thermal, KernelLog, 0));
    }

    /// Without it an XID of an hour ago that the log tells at a start would take away the one that the driver tells now,
    /// and one that is read late would count twice.
    #[test]
    fn it_counts_when_it_happened_and_not_when_it_was_read() {
        plays(&[
            (KernelLog, "48", 0, 100_000, false),
            (Driver, "48", 0, 105_001, false),
            // Told in another order than they happened, and each finds its own.
            (KernelLog, "48", 0, 200_000, false),
            (KernelLog, "48", 0, 204_000, false),
            (Driver, "48", 0, 204_100, true),
            (Driver, "48", 0, 195_000, true),
            (KernelLog, "48", 0, 104_000, true),
            (Driver, "48", 0, 99_000, true),
        ]);
        let undated = HealthEvent { timestamp: None, ..xid("48", 0, 0) };
        let mut pairs = Pairs::default();
        assert!(!pairs.is_second(&undated, Driver, 7_000));
        assert!(pairs.is_second(&xid("48", 0, 9_000), KernelLog, 50_000));
    }

    /// Without it the XID of one GPU would be lost for that of another.
    #[test]
    fn a_gpu_that_is_not_known_is_guessed_only_where_there_is_no_other() {
        plays(&[
            (KernelLog, "94", -1, 1_000, false),
            (Driver, "94", 5, 1_100, true),
            // Two may be it.
            (Driver, "94", 1, 20_000, false),
            (Driver, "94", 2, 20_000, false),
            (KernelLog, "94", -1, 20_100, false),
            // Two were not mapped, and these are not the reason to lose one.
            (KernelLog, "63", -1, 40_000, false),
            (KernelLog, "63", -1, 40_000, false),
            (Driver, "63", 7, 40_000, false),
            // What is known comes first.
            (KernelLog, "31", -1, 60_000, false),
            (KernelLog, "31", 4, 61_000, false),
            (Driver, "31", 4, 60_000, true),
            (Driver, "31", 6, 60_000, true),
        ]);
        let on =
            |uuid: &str, index| HealthEvent { gpu_uuid: uuid.to_owned(), ..xid("79", index, 0) };
        let mut pairs = Pairs::default();
        assert!(!pairs.is_second(&on("GPU-a", 0), KernelLog, 0));
        assert!(!pairs.is_second(&on("GPU-b", -1), Driver, 0), "another, by its UUID");
        assert!(pairs.is_second(&on("GPU-a", -1), Driver, 0), "the same, by its UUID");
    }

    /// Without it an event that is taken in a second time, after a panic, would find itself two partners.
    #[test]
    fn an_event_that_is_taken_in_again_is_one() {
        let event = HealthEvent { event_id: "e".to_owned(), ..xid("79", 0, 0) };
        let mut pairs = Pairs::default();
        assert!(!pairs.is_second(&event, Driver, 0) && !pairs.is_second(&event, Driver, 0));
        assert!(pairs.is_second(&xid("79", 0, 0), KernelLog, 0));
        assert!(!pairs.is_second(&xid("79", 0, 0), KernelLog, 0));
    }
}
