use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use navarch_fleet::FleetState;
use navarch_host::Moment;
use navarch_proto::frame;
use tonic::Status;

/// Pieces of the journal kept: those who follow it are at one of its last few ends.
const KEPT: usize = 16;
/// Events of a piece at most, and after how many bytes it ends.
pub(super) const MOST_EVENTS: usize = 1_000;
const ENOUGH_BYTES: usize = 256 * 1024;
/// Between two looks of one watcher at the journal, while much happens: ten looks a second of a thousand watchers
/// leave writes the processor, and a few see an event at once.
pub(super) const SHORTEST_REST: Duration = Duration::from_millis(10);
const REST_BY_WATCHER: Duration = Duration::from_micros(100);
/// Bytes a second that all watchers of this replica are sent together, about 130,000 events; beyond that they fall
/// behind, as far as the journal goes back. A thousand who follow all of a busy journal would take more of the processor
/// than writes do.
const BYTES_PER_SECOND: u64 = 32 << 20;
/// The longest that a watcher waits for its next share.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// What may be sent at once after a rest, as time at that rate.
const BURST: Duration = Duration::from_secs(1);

/// Those who watch the journal at this replica.
#[derive(Default)]
pub(super) struct Watchers {
    open: AtomicUsize,
    pieces: Mutex<VecDeque<Piece>>,
    /// When all that was sent so far would be, had it been sent at the rate that is allowed.
    paid_until: Mutex<Option<Moment>>,
}

/// Consecutive events as they are sent to everybody.
#[derive(Clone)]
struct Piece {
    /// The event before the first.
    after: u64,
    last: u64,
    frames: Bytes,
}

/// A watcher that is there.
pub(super) struct Presence(Arc<Watchers>);

impl Watchers {
    /// One more, until the answer is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Presence {
        self.open.fetch_add(1, Ordering::Relaxed);
        Presence(Arc::clone(self))
    }

    /// How long each rests between two looks at the journal.
    pub(super) fn rest(&self) -> Duration {
        let open = u32::try_from(self.open.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        SHORTEST_REST.max(REST_BY_WATCHER.saturating_mul(open))
    }

    /// Takes note of `bytes` that are sent to one of them; from when on it may be sent more.
    pub(super) fn charge(&self, bytes: usize, now: Moment) -> Moment {
        let cost = Duration::from_nanos(bytes as u64 * 1_000_000_000 / BYTES_PER_SECOND);
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let until = paid_until.map_or(now, |until| until.max(now)) + cost;
        // Who took what it was sent and went away must not be waited for by those who stay.
        let until = until.min(now + LONGEST_WAIT);
        *paid_until = Some(until);
        now.max(until - BURST)
    }

    /// Events after `seen` as gRPC frames, and the last of them; none: nothing came after it. They are encoded once
    /// for all who have seen as much.
    ///
    /// # Errors
    ///
    /// If an event is larger than a message may be.
    pub(super) fn frames_after(
        &self,
        fleet: &FleetState,
        seen: u64,
    ) -> Result<Option<(u64, Bytes)>, Status> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(piece) = pieces.iter().rev().find(|piece| piece.after == seen) {
            return Ok(Some((piece.last, piece.frames.clone())));
        }
        let Some((last, frames)) = framed(fleet, seen, |_| true)? else { return Ok(None) };
        if pieces.len() == KEPT {
            pieces.pop_front();
        }
        pieces.push_back(Piece { after: seen, last, frames: frames.clone() });
        Ok(Some((last, frames)))
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The events after `seen` that `wanted` names, as gRPC frames, and the last event that was looked at; none: nothing
/// came after `seen`.
///
/// # Errors
///
/// If an event is larger than a message may be.
pub(super) fn framed(
    fleet: &FleetState,
    seen: u64,
    wanted: impl Fn(&navarch_proto::api::FleetEvent) -> bool,
) -> Result<Option<(u64, Bytes)>, Status> {
    let (mut last, mut frames) = (None, Vec::new());
    for event in fleet.events_since(seen, MOST_EVENTS) {
        last = Some(event.index);
        if wanted(event) {
            frames.extend(frame::encode(&**event).map_err(|bytes| {
                Status::internal(format!("event {} takes {bytes} bytes", event.index))
            })?);
        }
        if frames.len() >= ENOUGH_BYTES {
            break;
        }
    }
    Ok(last.map(|last| (last, frames.into())))
}

#[cfg(test)]
mod tests {
    use navarch_proto::{api::FleetEvent, fleet::proposal::Kind};
    use prost::Message as _;

    use super::*;
    use crate::ledger::{
        Author,
        testing::{TestGroup, propose},
    };

    fn indices(mut frames: Bytes) -> Vec<u64> {
        let mut indices = Vec::new();
        while !frames.is_empty() {
            let length = u32::from_be_bytes(frames[1..5].try_into().unwrap()) as usize;
            let event = FleetEvent::decode(frames.slice(5..5 + length)).unwrap();
            indices.push(event.index);
            frames = frames.slice(5 + length..);
        }
        indices
    }

    /// Without it a watcher would be sent what it has seen, miss what came while others were served, or each would
    /// have all events encoded for itself.
    #[test]
    fn all_who_have_seen_as_much_share_what_comes_next() {
        let group = TestGroup::new();
        let (ledger, _) = group.leading(1);
        let watchers = Watchers::default();
        let add = |id: &str| {
            let request = navarch_proto::api::RegisterNodeRequest {
                node_id: id.to_owned(),
                provider: "p".to_owned(),
                ..Default::default()
            };
            let register =
                navarch_proto::fleet::RegisterNode { request: Some(request), ..Default::default() };
            propose(&ledger, Kind::RegisterNode(register), &Author::caller("agent")).unwrap();
        };
        let start = ledger.view().fleet.last_event_index();
        add("a");
        add("b");
        let after = |seen| watchers.frames_after(&ledger.view().fleet, seen).unwrap();
        let (last, frames) = after(start).unwrap();
        assert_eq!((last, indices(frames.clone())), (start + 2, vec![start + 1, start + 2]));
        assert!(after(last).is_none());
        add("c");
        let (again, shared) = after(start).unwrap();
        assert_eq!((again, shared.as_ptr()), (last, frames.as_ptr()), "encoded once");
        let (end, rest) = after(again).unwrap();
        assert_eq!((end, indices(rest)), (start + 3, vec![start + 3]));
        let fleet = ledger.view().fleet;
        let (looked_at, of_b) =
            framed(&fleet, start, |event| event.subject == "node/b").unwrap().unwrap();
        assert_eq!((looked_at, indices(of_b)), (start + 3, vec![start + 2]));
    }

    /// Without it many watchers of a busy journal would have writes wait for them, or one that comes back late would
    /// be made to wait where nobody else is.
    #[test]
    fn what_all_are_sent_together_has_a_rate() {
        let watchers = Watchers::default();
        let clock = navarch_host::Clock::fake(navarch_host::FakeClock::new(0));
        let now = clock.now();
        let second = usize::try_from(BYTES_PER_SECOND).unwrap();
        let due = |bytes| watchers.charge(bytes, now).since(now);
        assert_eq!(
            [due(second), due(second), due(second / 2)],
            [0, 1_000, 1_500].map(Duration::from_millis)
        );
        let later = now + Duration::from_secs(60);
        assert_eq!(watchers.charge(second, later), later);
    }

    /// Without it a thousand watchers would take the processor from writes, or a single one wait for what happens.
    #[test]
    fn many_look_less_often() {
        let watchers = Arc::<Watchers>::default();
        let one = watchers.enter();
        assert_eq!(watchers.rest(), SHORTEST_REST);
        let many: Vec<_> = (1..1_000).map(|_| watchers.enter()).collect();
        assert_eq!(watchers.rest(), Duration::from_millis(100));
        drop((one, many));
        assert_eq!(watchers.rest(), SHORTEST_REST);
    }
}
