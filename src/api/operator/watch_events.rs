use std::time::Duration;

use futures::{Stream, StreamExt as _};
use navarch_proto::api::{FleetEvent, WatchEventsRequest};
use tonic::Status;

use super::list_events::{check_kept, concerns};
use crate::{api::call::Call, ledger::PacedViews};

/// Events taken from the journal at a time.
const BATCH: usize = 1_000;
/// Between two looks at the journal, so that many watchers cost little while much happens.
const LOOK_REST: Duration = Duration::from_millis(10);

/// Follows the journal. The journal is state, so a watch resumed on any replica misses and repeats nothing.
pub(in crate::api) async fn watch_events(
    call: Call,
    request: WatchEventsRequest,
) -> Result<impl Stream<Item = Result<FleetEvent, Status>> + Send + use<>, Status> {
    let view = call.view().await?;
    let since = request.since.unwrap_or_else(|| view.fleet.last_event_index());
    check_kept(&view.fleet, since)?;
    let views = call.api.ledger.paced_views(LOOK_REST);
    let watch = Watch { views, seen: since, subject: request.subject };
    let batches = futures::stream::unfold(Some(watch), |watch| async {
        let mut watch = watch?;
        match watch.next_batch().await {
            Ok(events) => Some((events.into_iter().map(Ok).collect::<Vec<_>>(), Some(watch))),
            Err(status) => Some((vec![Err(status)], None)),
        }
    });
    // An open watch would hold up a graceful stop.
    let closing = call.api.closing.clone().cancelled_owned();
    Ok(batches.flat_map(futures::stream::iter).take_until(closing))
}

struct Watch {
    views: PacedViews,
    seen: u64,
    subject: String,
}

impl Watch {
    /// Waits for events; a watcher so slow that the journal ran past it is told.
    async fn next_batch(&mut self) -> Result<Vec<FleetEvent>, Status> {
        let mut fleet = self.views.newest().fleet;
        loop {
            check_kept(&fleet, self.seen)?;
            let mut batch = Vec::new();
            for event in fleet.events_since(self.seen, BATCH) {
                self.seen = event.index;
                if concerns(event, &self.subject) {
                    batch.push(FleetEvent::clone(event));
                }
            }
            if !batch.is_empty() {
                return Ok(batch);
            }
            if self.seen >= fleet.last_event_index() {
                let stopping = "this replica is stopping; resume at another";
                let view = self.views.next().await;
                fleet = view.ok_or_else(|| Status::unavailable(stopping))?.fleet;
            }
        }
    }
}
