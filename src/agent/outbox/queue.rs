use std::collections::{HashSet, VecDeque};

use navarch_proto::api::HealthEvent;
use prost::Message as _;

use super::{
    OutboxBounds,
    record::{KeptCounters, Position, Record, Sealed},
    severity::Severity,
};

/// Events that wait for a report that is acknowledged, oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bounds: OutboxBounds,
    events: VecDeque<Waiting>,
    bytes: usize,
    ids: HashSet<String>,
    /// The batch that is being reported, from its first try to its acknowledgement: always the oldest events.
    sealed: Option<Sealed>,
    position: Option<Position>,
    counters: Option<KeptCounters>,
    /// Events that were given up for lack of room, that could not be kept, or that the group refused.
    dropped: u64,
    /// What the file does not know yet.
    unwritten: Record,
}

#[derive(Debug)]
struct Waiting {
    event: HealthEvent,
    bytes: usize,
    severity: Severity,
}

/// Events that are reported together, and the id under which a repeat counts once.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::agent) struct Batch {
    pub(in crate::agent) request_id: String,
    pub(in crate::agent) events: Vec<HealthEvent>,
}

impl Queue {
    /// The queue that `records` of a file amount to.
    pub(super) fn of(bounds: OutboxBounds, records: Vec<Record>) -> Self {
        let mut queue = Self { bounds, ..Self::default() };
        for record in records {
            queue.remove(&record.removed);
            queue.dropped = queue.dropped.max(record.dropped);
            if let Some(event) = record.event {
                queue.push(event);
            }
            if record.position.is_some() {
                queue.position = record.position;
            }
            if record.counters.is_some() {
                queue.counters = record.counters;
            }
            if let Some(sealed) = record.sealed {
                queue.sealed = Some(sealed).filter(|sealed| sealed.count > 0);
            }
        }
        queue.make_room();
        queue
    }

    /// What a file must hold to be this queue.
    pub(super) fn image(&mut self) -> Vec<Record> {
        self.unwritten = Record::default();
        let head = Record {
            position: self.position.clone(),
            dropped: self.dropped,
            sealed: self.sealed.clone(),
            counters: self.counters.clone(),
            ..Record::default()
        };
        let events = self.events.iter().map(|waiting| Record::of(waiting.event.clone()));
        std::iter::once(head).chain(events).collect()
    }

    /// Adds events that have been seen, and lets go of others where there is no room for all.
    pub(super) fn add(&mut self, events: Vec<HealthEvent>) {
        events.into_iter().for_each(|event| self.push(event));
        self.make_room();
    }

    /// Takes over how far the kernel log and the GPUs' counters have been read, where that is given.
    pub(super) fn has_read(&mut self, log: Option<Position>, counters: Option<KeptCounters>) {
        self.position = log.or_else(|| self.position.take());
        self.counters = counters.or_else(|| self.counters.take());
    }

    /// The oldest events, at most `limit`: the same ones under the same id until they are acknowledged.
    pub(super) fn batch(&mut self, limit: usize) -> Option<Batch> {
        let count = match self.sealed_count() {
            0 => self.events.len().min(limit),
            count => count,
        };
        let events: Vec<_> = self.events.iter().take(count).map(|w| w.event.clone()).collect();
        if events.is_empty() {
            return None;
        }
        if self.sealed_count() == 0 {
            self.seal(&events);
        }
        let request_id = self.sealed.as_ref().map_or_else(String::new, |it| it.request_id.clone());
        Some(Batch { request_id, events })
    }

    /// Lets go of a batch that was acknowledged.
    pub(super) fn acknowledged(&mut self, batch: &Batch) {
        let ids: Vec<_> = batch.events.iter().map(|event| event.event_id.clone()).collect();
        self.remove(&ids);
        self.unwritten.removed.extend(ids);
        self.unwritten.sealed = Some(Sealed::default());
        self.sealed = None;
    }

    /// A batch that the group will not have: it is tried again in halves, and what is refused alone is dropped. The
    /// event that was.
    pub(super) fn refused(&mut self, batch: &Batch) -> Option<HealthEvent> {
        match batch.events.as_slice() {
            [event] => {
                self.acknowledged(batch);
                self.count_dropped(1);
                Some(event.clone())
            }
            events => {
                self.seal(&events[..events.len() / 2]);
                None
            }
        }
    }

    /// What changed since this was asked last, other than by what was seen and read; none: nothing.
    pub(super) fn take_unwritten(&mut self) -> Option<Record> {
        let record = std::mem::take(&mut self.unwritten);
        (record != Record::default()).then_some(record)
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.position.clone()
    }

    pub(super) fn counters(&self) -> Option<KeptCounters> {
        self.counters.clone()
    }

    /// Adds an event, unless it was seen twice: a crash may come between it and the position behind it.
    fn push(&mut self, event: HealthEvent) {
        if !self.ids.insert(event.event_id.clone()) {
            return;
        }
        let bytes = event.encoded_len();
        self.bytes += bytes;
        let severity = Severity::of(&event);
        self.events.push_back(Waiting { event, bytes, severity });
    }

    fn seal(&mut self, events: &[HealthEvent]) {
        let mut hasher = blake3::Hasher::new();
        for event in events {
            hasher.update(event.event_id.as_bytes()).update(b"\n");
        }
        let request_id = format!("health-{}", &hasher.finalize().to_hex()[..32]);
        let sealed = Sealed { request_id, count: events.len() as u64 };
        self.unwritten.sealed = Some(sealed.clone());
        self.sealed = Some(sealed);
    }

    fn sealed_count(&self) -> usize {
        let count = self.sealed.as_ref().map_or(0, |sealed| sealed.count);
        usize::try_from(count).unwrap_or(usize::MAX).min(self.events.len())
    }

    fn remove(&mut self, ids: &[String]) {
        if ids.is_empty() {
            return;
        }
        for id in ids {
            self.ids.remove(id);
        }
        let Self { events, ids, .. } = self;
        events.retain(|waiting| ids.contains(&waiting.event.event_id));
        self.bytes = self.events.iter().map(|waiting| waiting.bytes).sum();
    }

    /// A batch under way stays whole.
    fn make_room(&mut self) {
        let excess = |queue: &Self| {
            queue.events.len() > queue.bounds.events || queue.bytes > queue.bounds.bytes
        };
        let mut gone = Vec::new();
        while excess(self) {
            let free = self.events.iter().enumerate().skip(self.sealed_count());
            let free = free.map(|(index, waiting)| (index, waiting.severity));
            let Some(index) = Severity::first_to_go(free) else { break };
            if let Some(waiting) = self.events.remove(index) {
                self.bytes -= waiting.bytes;
                self.ids.remove(&waiting.event.event_id);
                gone.push(waiting.event.event_id);
            }
        }
        if !gone.is_empty() {
            self.count_dropped(gone.len() as u64);
            self.unwritten.removed.extend(gone);
        }
    }

    /// Counts events that nobody will hear of.
    pub(super) fn count_dropped(&mut self, count: u64) {
        self.dropped += count;
        self.unwritten.dropped = self.dropped;
    }
}

#[cfg(test)]
mod tests {
    use navarch_proto::api::HealthEventType;

    use super::*;

    fn event(id: &str, kind: HealthEventType) -> HealthEvent {
        HealthEvent { event_id: id.to_owned(), event_type: kind.into(), ..HealthEvent::default() }
    }

    fn xids(ids: &[&str]) -> Vec<HealthEvent> {
        ids.iter().map(|id| event(id, HealthEventType::Xid)).collect()
    }

    fn ids(queue: &Queue) -> Vec<&str> {
        queue.events.iter().map(|waiting| waiting.event.event_id.as_str()).collect()
    }

    fn bounded(events: usize, bytes: usize) -> Queue {
        Queue::of(OutboxBounds { events, bytes }, Vec::new())
    }

    /// Without it a GPU that fell off the bus would make room for a corrected bit, or losses go uncounted.
    #[test]
    fn the_least_severe_and_oldest_go_first() {
        use HealthEventType::{EccDbe, EccSbe, Thermal, Xid};
        let mut queue = bounded(3, 1 << 20);
        let kinds = [("x1", Xid), ("s1", EccSbe), ("t1", Thermal), ("s2", EccSbe), ("d1", EccDbe)];
        queue.add(kinds.map(|(id, kind)| event(id, kind)).into());
        assert_eq!((ids(&queue), queue.dropped()), (vec!["x1", "t1", "d1"], 2));
        queue.add(vec![event("s3", EccSbe)]);
        queue.add(xids(&["x2", "x3"]));
        assert_eq!((ids(&queue), queue.dropped()), (vec!["d1", "x2", "x3"], 5));
        let record = queue.take_unwritten().unwrap();
        assert_eq!((record.removed.len(), record.dropped), (5, 5));
        assert_eq!(queue.take_unwritten(), None);
        let mut tight = bounded(100, event("1234", Xid).encoded_len() * 2);
        tight.add(xids(&["1234", "2345", "3456"]));
        assert_eq!(ids(&tight), ["2345", "3456"]);
    }

    /// Without it a retry would carry other events under the same id, and those would count as reported.
    #[test]
    fn a_batch_stays_what_it_was_until_it_is_acknowledged() {
        let mut queue = bounded(3, 1 << 20);
        assert_eq!(queue.batch(2), None);
        queue.add(xids(&["a", "b", "c"]));
        let first = queue.batch(2).unwrap();
        assert_eq!(first.events.len(), 2);
        queue.add(xids(&["d", "e"]));
        assert_eq!(ids(&queue), ["a", "b", "e"], "a batch under way is kept");
        assert_eq!(queue.batch(2).as_ref(), Some(&first));
        // A restart in between does not change it either.
        let mut again = Queue::of(queue.bounds, queue.image());
        assert_eq!(again.batch(500).as_ref(), Some(&first));
        assert_eq!(again.dropped(), 2);
        queue.acknowledged(&first);
        let second = queue.batch(2).unwrap();
        assert_eq!(second.events, xids(&["e"]));
        assert_ne!(second.request_id, first.request_id);
        queue.acknowledged(&second);
        assert_eq!((queue.batch(2), queue.len(), queue.bytes), (None, 0, 0));
    }

    /// Without it one event that the group refuses would hold up all others for ever.
    #[test]
    fn what_is_refused_alone_is_dropped() {
        let mut queue = bounded(10, 1 << 20);
        queue.add(xids(&["a", "bad", "c"]));
        let mut refused = Vec::new();
        let mut reported = Vec::new();
        while let Some(batch) = queue.batch(10) {
            if batch.events.iter().any(|event| event.event_id == "bad") {
                refused.extend(queue.refused(&batch).map(|event| event.event_id));
            } else {
                reported.extend(batch.events.iter().map(|event| event.event_id.clone()));
                queue.acknowledged(&batch);
            }
        }
        assert_eq!((refused, reported), (vec!["bad".to_owned()], vec!["a".into(), "c".into()]));
        assert_eq!(queue.dropped(), 1);
    }
}
