use std::time::Duration;

use navarch_fleet::{Administrative, Drain, EventKind, FleetState};
use navarch_proto::api::FleetEvent;
use tonic::Status;

use crate::{api::call::Call, ledger::PacedViews, notify::tells_workloads};

/// Between two looks at the journal.
const LOOK_REST: Duration = Duration::from_millis(5);
/// An answer leaves this long before the caller stops waiting, or a tenth of its time.
const MARGIN: Duration = Duration::from_millis(500);

/// Waits for what becomes of the notice to the workload system after a drain was committed. Without a
/// workload system, and when the caller's time is over, the drain stands as it is.
pub(super) struct DrainOutcome {
    views: PacedViews,
    /// The newest event before the drain was proposed.
    since: u64,
    node_id: String,
}

impl DrainOutcome {
    /// Call before the drain is proposed, so that nothing falls in between.
    pub(super) fn of(call: &Call, node_id: &str) -> Self {
        let mut views = call.api.ledger.paced_views(LOOK_REST);
        let since = views.newest().fleet.last_event_index();
        Self { views, since, node_id: node_id.to_owned() }
    }

    /// Waits for the outcome of the drain that was committed at log index `index`, until shortly before the
    /// caller's deadline.
    ///
    /// # Errors
    ///
    /// If the workload system refused the drain, or somebody took it back meanwhile.
    pub(super) async fn wait(mut self, call: &Call, index: u64) -> Result<(), Status> {
        let clock = call.api.clock();
        let patience = call.context.deadline.since(clock.now());
        let until = clock.now() + patience.saturating_sub(MARGIN.min(patience / 10));
        let mut view = self.views.newest();
        loop {
            if view.index >= index
                && let Some(outcome) = outcome(&view.fleet, &self.node_id, self.since)
            {
                return outcome;
            }
            tokio::select! {
                next = self.views.next() => match next {
                    Some(next) => view = next,
                    None => return Ok(()),
                },
                () = clock.sleep_until(until) => return Ok(()),
                () = call.api.closing.cancelled() => return Ok(()),
            }
        }
    }
}

/// What became of a node's drain that was ordered after the event `since`; none: that is still open.
fn outcome(fleet: &FleetState, node_id: &str, since: u64) -> Option<Result<(), Status>> {
    if !tells_workloads(fleet.settings().notifier.as_ref()) {
        return Some(Ok(()));
    }
    let subject = format!("node/{node_id}");
    let after = |index| {
        let events = fleet.events_since(index, usize::MAX);
        events.filter(|event| event.subject == subject).filter_map(|event| of(event))
    };
    if let Some(first) = after(since).next() {
        return Some(first);
    }
    let administrative = fleet.node(node_id).map(|node| node.administrative);
    match administrative {
        Some(Administrative::Draining(Drain { accepted: false, drained: false, .. })) => None,
        // It was told of this drain before, or the drain is over.
        Some(Administrative::Draining(_) | Administrative::Terminated) | None => Some(Ok(())),
        // A call that comes again is answered as it was, though its drain has ended since.
        Some(Administrative::Active | Administrative::Cordoned) => {
            Some(after(0).last().unwrap_or(Ok(())))
        }
    }
}

/// What an event says of its node's drain, if it says how the notice ended.
fn of(event: &FleetEvent) -> Option<Result<(), Status>> {
    let is = |kind: EventKind| event.kind == kind.as_str();
    if is(EventKind::NodeDrainRefused) {
        return Some(Err(Status::failed_precondition(event.reason.clone())));
    }
    if is(EventKind::NodeUncordoned) {
        let message = format!("the drain was taken back by {}: {}", event.actor, event.reason);
        return Some(Err(Status::failed_precondition(message)));
    }
    let stands = is(EventKind::NodeDrainAccepted)
        || is(EventKind::NodeDrained)
        || is(EventKind::NodeTerminated)
        || is(EventKind::NodeForgotten);
    stands.then_some(Ok(()))
}

#[cfg(test)]
#[path = "drain_outcome_test.rs"]
mod tests;
