use std::{cell::OnceCell, sync::Arc};

use navarch_fleet::{BreakerKey, FleetState, Instance, LogTime, Node};

use super::{
    absences::Absences,
    shares::Shares,
    silence::{Heard, Hearing},
};
use crate::liveness::Liveness;

/// What stops losses and replacements: a breaker that is open, or one that would open by what is seen now, whichever
/// is stricter. Who is heard is looked at only where somebody asks.
pub(super) struct Stops<'a> {
    fleet: &'a FleetState,
    parts: (&'a Liveness, &'a Absences),
    now_ms: u64,
    seen: OnceCell<Shares<'a>>,
}

impl<'a> Stops<'a> {
    pub(super) fn new(
        fleet: &'a FleetState,
        parts: (&'a Arc<Liveness>, &'a Absences),
        now_ms: u64,
    ) -> Self {
        Self { fleet, parts: (parts.0, parts.1), now_ms, seen: OnceCell::new() }
    }

    /// Why a node's machine may not be replaced by what is recorded.
    pub(super) fn recorded(&self, node: &Node) -> Option<String> {
        let now = LogTime::from_ms(self.now_ms);
        let (key, breaker) = self.fleet.stopped_by(node, now)?;
        Some(format!("stopped by the breaker of {key}: {}", breaker.reason(now)))
    }

    /// The same, by what is seen now as well.
    pub(super) fn reason(&self, node: &Node) -> Option<String> {
        self.recorded(node).or_else(|| self.seen().stops(node).map(|key| about_to_open(&key)))
    }

    /// Whether a machine that its provider has no more may not be failed, which would have it replaced.
    pub(super) fn is_stopped(&self, instance: &Instance) -> bool {
        if self.fleet.instance_stopped_by(instance, LogTime::from_ms(self.now_ms)).is_some() {
            return true;
        }
        let node = self.fleet.node_of_instance(instance.id.as_str());
        node.is_some_and(|node| self.seen().stops(node).is_some())
    }

    fn seen(&self) -> &Shares<'a> {
        self.seen.get_or_init(|| {
            let hearing = Hearing::new(self.fleet, self.parts, self.now_ms);
            let heard: Vec<Heard<'a>> = hearing.nodes().collect();
            Shares::of(self.fleet, &heard, self.now_ms)
        })
    }
}

fn about_to_open(key: &BreakerKey) -> String {
    format!("stopped by the breaker of {key}, which is about to open")
}
