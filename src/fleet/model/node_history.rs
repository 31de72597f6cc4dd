use navarch_proto::api::HealthEventType;

use crate::{
    limits::{MAX_KIND_HISTORY, RETAIN_HISTORY_MS},
    time::LogTime,
};

/// A health event as a node's history keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberedEvent {
    /// When it was first reported, by the fleet's time.
    pub at: LogTime,
    /// The same event reported again has the same one.
    pub identity: u64,
    /// What kind of trouble it was.
    pub kind: HealthEventType,
    /// XID number; 0: none.
    pub code: u32,
    /// The GPU's index, as the agent gave it.
    pub gpu_index: i32,
}

/// The health events that a node reported lately, the earliest first: what rules over a window look at. Kept for
/// [`RETAIN_HISTORY_MS`], at most [`MAX_KIND_HISTORY`] of each kind, so that a storm of one kind hides no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeHistory {
    /// The index of the log entry that last added to it; 0: none did.
    pub revision: u64,
    events: Vec<RememberedEvent>,
}

impl NodeHistory {
    /// With these events, the earliest first.
    pub fn new(revision: u64, events: Vec<RememberedEvent>) -> Self {
        Self { revision, events }
    }

    /// All of them, the earliest first.
    pub fn events(&self) -> &[RememberedEvent] {
        &self.events
    }

    /// Whether it holds an event of that identity.
    pub fn knows(&self, identity: u64) -> bool {
        self.events.iter().any(|event| event.identity == identity)
    }

    /// Adds an event; whether the oldest of its kind had to go.
    pub fn add(&mut self, event: RememberedEvent) -> bool {
        let of_kind = |one: &RememberedEvent| one.kind == event.kind;
        let full = self.events.iter().filter(|one| of_kind(one)).count() >= MAX_KIND_HISTORY;
        if full && let Some(oldest) = self.events.iter().position(of_kind) {
            self.events.remove(oldest);
        }
        self.events.push(event);
        full
    }

    /// Takes the oldest event out.
    pub(crate) fn drop_oldest(&mut self) {
        if !self.events.is_empty() {
            self.events.remove(0);
        }
    }

    /// Forgets what no window reaches any more.
    pub(crate) fn drop_expired(&mut self, now: LogTime) {
        let before = now.minus_ms(RETAIN_HISTORY_MS);
        self.events.retain(|event| event.at >= before);
    }
}
