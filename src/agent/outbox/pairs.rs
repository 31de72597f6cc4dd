use std::collections::VecDeque;

use navarch_proto::api::{HealthEvent, HealthEventType};

/// How far apart the driver and the kernel log tell of the same XID, milliseconds.
const WINDOW_MS: u64 = 5_000;
/// XIDs remembered at most: a storm is told twice rather than not at all.
const MAX_REMEMBERED: usize = 1_024;
/// What an event has instead of the index of a GPU that is not known.
const UNKNOWN_GPU: i32 = -1;

/// Where an event was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Seen {
    /// By the source of the GPUs.
    Driver,
    /// In the kernel log.
    KernelLog,
}

/// XIDs that one of the two has told and the other may still tell. Each is paired once, so that two XIDs of a
/// kind on one GPU stay two.
#[derive(Debug, Default)]
pub(super) struct Pairs(VecDeque<Unpaired>);

#[derive(Debug)]
struct Unpaired {
    seen: Seen,
    at_ms: u64,
    gpu_index: i32,
    code: String,
}

impl Pairs {
    /// Whether the other one told of the same XID a moment ago.
    pub(super) fn is_second(&mut self, event: &HealthEvent, seen: Seen, now_ms: u64) -> bool {
        if event.event_type() != HealthEventType::Xid {
            return false;
        }
        self.0.retain(|one| now_ms.saturating_sub(one.at_ms) <= WINDOW_MS);
        let code = event.metrics.get("xid_code").cloned().unwrap_or_default();
        let same_gpu = |index: i32| {
            index == event.gpu_index || index == UNKNOWN_GPU || event.gpu_index == UNKNOWN_GPU
        };
        let other = self
            .0
            .iter()
            .position(|one| one.seen != seen && one.code == code && same_gpu(one.gpu_index));
        if let Some(index) = other {
            self.0.remove(index);
            return true;
        }
        if self.0.len() == MAX_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Unpaired { seen, at_ms: now_ms, gpu_index: event.gpu_index, code });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xid(code: &str, gpu_index: i32) -> HealthEvent {
        HealthEvent {
            event_type: HealthEventType::Xid.into(),
            gpu_index,
            metrics: [("xid_code".to_owned(), code.to_owned())].into(),
            ..HealthEvent::default()
        }
    }

    /// Without it one XID would count twice, or two as one.
    #[test]
    fn what_both_tell_is_one() {
        use Seen::{Driver, KernelLog};
        let mut pairs = Pairs::default();
        let table = [
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
            // A GPU that could not be mapped is any of them.
            (KernelLog, "94", -1, 3_000, false),
            (Driver, "94", 5, 3_000, true),
            (Driver, "48", 0, 10_000, false),
            (KernelLog, "48", 0, 15_001, false),
        ];
        for (seen, code, gpu, at_ms, second) in table {
            let event = xid(code, gpu);
            assert_eq!(pairs.is_second(&event, seen, at_ms), second, "{seen:?} {code} {at_ms}");
        }
        let thermal = HealthEvent::default();
        assert!(!pairs.is_second(&thermal, Driver, 0) && !pairs.is_second(&thermal, KernelLog, 0));
    }
}
