use navarch_fleet::FleetState;
use navarch_proto::api::{FleetEvent, ListEventsRequest, ListEventsResponse};
use tonic::Status;

use crate::api::call::{Answer, Call};

/// Events in an answer unless the caller says otherwise.
const DEFAULT_LIMIT: u32 = 1_000;
/// Events in an answer at most.
const MAX_LIMIT: u32 = 10_000;

/// Reads the journal from an index on.
pub(in crate::api) async fn list_events(
    call: Call,
    request: ListEventsRequest,
) -> Result<Answer<ListEventsResponse>, Status> {
    let view = call.view().await?;
    let limit = match request.limit {
        0 => DEFAULT_LIMIT,
        limit => limit.min(MAX_LIMIT),
    };
    let events = view
        .fleet
        .events_since(request.since, usize::MAX)
        .filter(|event| concerns(event, &request.subject))
        .take(limit as usize)
        .map(|event| FleetEvent::clone(event))
        .collect();
    let message = ListEventsResponse {
        events,
        first_index: view.fleet.first_event_index(),
        last_index: view.fleet.last_event_index(),
    };
    Ok(Answer { message, index: view.index })
}

/// Whether an event is about `subject`: `node/<id>`, or the bare id; empty is everything.
pub(super) fn concerns(event: &FleetEvent, subject: &str) -> bool {
    subject.is_empty()
        || event.subject == subject
        || event.subject.split_once('/').is_some_and(|(_, id)| id == subject)
}

/// The error for a resumption from before the oldest event kept.
pub(super) fn check_kept(fleet: &FleetState, since: u64) -> Result<(), Status> {
    let first = fleet.first_event_index();
    if since.saturating_add(1) < first {
        return Err(Status::out_of_range(format!(
            "events after {since} are no longer kept; the oldest is {first}: read from there, knowing \
             that some are missed"
        )));
    }
    Ok(())
}

/// The error for a resumption from beyond the newest event: what was seen was of another history, from before a restore. A state
/// that may lag says nothing of that.
pub(super) fn check_happened(fleet: &FleetState, since: u64) -> Result<(), Status> {
    let last = fleet.last_event_index();
    if since > last {
        return Err(Status::out_of_range(format!(
            "there is no event {since} yet, the newest is {last}: the group was restored from a snapshot since \
             it was seen; read anew, without `since`, or from where the snapshot ends"
        )));
    }
    Ok(())
}
