use std::collections::BTreeMap;

use navarch_fleet::{EventKind, FleetState};
use navarch_proto::fleet::proposal::Kind;

use super::changes::{node_of, time_ms};

/// First and longest pause before a drain is ordered again that the workload system refused, in milliseconds.
const FIRST_PAUSE_MS: u64 = 60_000;
const LONGEST_PAUSE_MS: u64 = 1_800_000;

/// The nodes whose drain the workload system refused lately. A controller that orders drains leaves them alone
/// for a while: a minute, and twice as long after each further refusal, half an hour at most.
#[derive(Default)]
pub(super) struct Refusals {
    read_to: u64,
    refused: BTreeMap<String, Refusal>,
}

struct Refusal {
    times: u32,
    until_ms: u64,
}

impl Refusals {
    /// Takes up what the journal has that was not there the last time.
    pub(super) fn read(&mut self, fleet: &FleetState) {
        for event in fleet.events_since(self.read_to, usize::MAX) {
            let Some(node_id) = node_of(event) else { continue };
            let is = |kind: EventKind| event.kind == kind.as_str();
            if is(EventKind::NodeDrainRefused) && event.actor == "controller:drainer" {
                self.refuse(node_id, time_ms(event));
            } else if is(EventKind::NodeDrainAccepted)
                || is(EventKind::NodeTerminated)
                || is(EventKind::NodeForgotten)
            {
                self.refused.remove(node_id);
            }
        }
        self.read_to = fleet.last_event_index();
    }

    /// Whether a node's drain should not be ordered again yet.
    pub(super) fn hold(&self, node_id: &str, now_ms: u64) -> bool {
        self.refused.get(node_id).is_some_and(|refusal| now_ms < refusal.until_ms)
    }

    /// Whether a step is the drain of a node that should be left alone.
    pub(super) fn forbid(&self, step: &Kind, now_ms: u64) -> bool {
        matches!(step, Kind::DrainNode(drain) if self.hold(&drain.node_id, now_ms))
    }

    fn refuse(&mut self, node_id: &str, at_ms: u64) {
        let refusal = self.refused.entry(node_id.to_owned());
        let refusal = refusal.or_insert(Refusal { times: 0, until_ms: 0 });
        let pause_ms = FIRST_PAUSE_MS.saturating_mul(2_u64.saturating_pow(refusal.times));
        refusal.times = refusal.times.saturating_add(1);
        refusal.until_ms = at_ms.saturating_add(pause_ms.min(LONGEST_PAUSE_MS));
    }
}

#[cfg(test)]
#[path = "refusals_test.rs"]
mod tests;
