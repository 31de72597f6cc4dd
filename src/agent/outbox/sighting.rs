use navarch_proto::api::HealthEvent;

use super::record::{KeptCounters, Position};

/// Where an event was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Seen {
    /// By the source of the GPUs.
    Driver,
    /// In the kernel log.
    KernelLog,
}

/// Events that were seen together, and how far was read to see them. What is kept of the two is kept together: an end of the
/// agent in between would lose events, or tell them twice.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Sighting {
    pub(in crate::agent) seen: Seen,
    pub(in crate::agent) events: Vec<HealthEvent>,
    /// Events that whoever saw them had no room for.
    pub(in crate::agent) dropped: u64,
    pub(in crate::agent) position: Option<Position>,
    pub(in crate::agent) counters: Option<KeptCounters>,
}

impl Sighting {
    /// Nothing yet.
    pub(in crate::agent) fn by(seen: Seen) -> Self {
        Self { seen, events: Vec::new(), dropped: 0, position: None, counters: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { seen: _, events, dropped, position, counters } = self;
        events.is_empty() && *dropped == 0 && position.is_none() && counters.is_none()
    }
}

/// Why what was seen was not added.
#[derive(Debug)]
pub(in crate::agent) enum NotAdded {
    /// The disk cannot keep up, and what was seen is handed back, to be tried again.
    Full(Box<Sighting>),
    /// The thread that writes has ended: trying again would be in vain.
    Ended,
}
