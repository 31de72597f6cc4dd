use std::sync::Arc;

use imbl::Vector;
use navarch_proto::api::FleetEvent;

use crate::limits::{MAX_EVENT_BYTES, MAX_EVENTS};

/// The last fleet events, in order and without a gap; the oldest make room for the newest.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    events: Vector<Arc<FleetEvent>>,
    next_index: u64,
    bytes: usize,
}

impl Default for Journal {
    fn default() -> Self {
        Self { events: Vector::new(), next_index: 1, bytes: 0 }
    }
}

impl Journal {
    /// The index that the next event gets.
    pub(crate) fn next_index(&self) -> u64 {
        self.next_index
    }

    pub(crate) fn set_next_index(&mut self, next_index: u64) {
        self.next_index = next_index;
    }

    /// The index of the oldest event kept; of the next one if none is.
    pub(crate) fn first_index(&self) -> u64 {
        self.next_index.saturating_sub(self.events.len() as u64)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<FleetEvent>> {
        self.events.iter()
    }

    pub(crate) fn last(&self) -> Option<&Arc<FleetEvent>> {
        self.events.last()
    }

    /// The events after an index that are still kept, at most `limit`.
    pub(crate) fn since(&self, index: u64, limit: usize) -> impl Iterator<Item = &Arc<FleetEvent>> {
        let skipped = index.saturating_add(1).saturating_sub(self.first_index());
        let start = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.events.len());
        let end = start.saturating_add(limit).min(self.events.len());
        self.events.focus().narrow(start..end).into_iter()
    }

    /// Gives an event its index and keeps it.
    pub(crate) fn append(&mut self, mut event: FleetEvent) -> Arc<FleetEvent> {
        event.index = self.next_index;
        self.next_index += 1;
        // A list that grows takes room for four; a hundred thousand events would hold 20 MB of it.
        event.changes.shrink_to_fit();
        let event = Arc::new(event);
        self.bytes = self.bytes.saturating_add(weight(&event));
        self.events.push_back(event.clone());
        while self.events.len() > MAX_EVENTS
            || (self.bytes > MAX_EVENT_BYTES && self.events.len() > 1)
        {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(weight(&oldest));
        }
        event
    }
}

/// Bytes that an event takes in memory, near enough and the same on every replica.
fn weight(event: &FleetEvent) -> usize {
    const FIXED: usize = 320;
    const CHANGE: usize = 120;
    let texts = [&event.actor, &event.request_id, &event.subject, &event.kind, &event.reason];
    let changes = event
        .changes
        .iter()
        .map(|change| CHANGE + change.field.len() + change.before.len() + change.after.len());
    FIXED + texts.iter().map(|text| text.len()).sum::<usize>() + changes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: usize) -> FleetEvent {
        FleetEvent { reason: "x".repeat(reason), ..FleetEvent::default() }
    }

    fn indexes<'a>(events: impl Iterator<Item = &'a Arc<FleetEvent>>) -> Vec<u64> {
        events.map(|event| event.index).collect()
    }

    /// A watcher that resumes must get exactly what it lacks.
    #[test]
    fn since_is_exact() {
        let mut journal = Journal::default();
        assert_eq!(indexes(journal.since(0, 9)), [0; 0]);
        for _ in 0..5 {
            journal.append(event(0));
        }
        assert_eq!(indexes(journal.since(0, 9)), [1, 2, 3, 4, 5]);
        assert_eq!(indexes(journal.since(3, 9)), [4, 5]);
        assert_eq!(indexes(journal.since(1, 2)), [2, 3]);
        assert_eq!(indexes(journal.since(5, 9)), [0; 0]);
        assert_eq!(indexes(journal.since(u64::MAX, 9)), [0; 0]);
    }

    /// Without the bounds the journal would eat the replica's memory, slowly or at once.
    #[test]
    fn is_bounded_by_count_and_bytes() {
        let mut journal = Journal::default();
        for _ in 0..MAX_EVENTS + 10 {
            journal.append(event(0));
        }
        assert_eq!((journal.first_index(), journal.events.len()), (11, MAX_EVENTS));
        let mut journal = Journal::default();
        for _ in 0..70 {
            journal.append(event(1024 * 1024));
        }
        assert_eq!(journal.events.len(), 63);
        assert_eq!(journal.bytes, journal.iter().map(|event| weight(event)).sum::<usize>());
        assert_eq!(indexes(journal.since(0, 1)), [8]);
    }
}
