use futures::{StreamExt as _, stream::BoxStream};
use navarch_proto::api::{FleetEvent, WatchEventsRequest};
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};

use super::list_events::{check_kept, concerns};
use crate::{api::call::Call, ledger::Ledger};

/// Events taken from the journal at a time.
const BATCH: usize = 1_000;

/// Follows the journal. The journal is state, so a watch resumed on any replica misses and repeats nothing.
pub(super) async fn watch_events(
    call: Call,
    request: WatchEventsRequest,
    stop: CancellationToken,
) -> Result<Response<BoxStream<'static, Result<FleetEvent, Status>>>, Status> {
    let view = call.view().await?;
    let since = request.since.unwrap_or_else(|| view.fleet.last_event_index());
    check_kept(&view.fleet, since)?;
    let watch = Watch { ledger: call.api.ledger.clone(), seen: since, subject: request.subject };
    let batches = futures::stream::unfold(Some(watch), |watch| async {
        let mut watch = watch?;
        match watch.next_batch().await {
            Ok(events) => Some((events.into_iter().map(Ok).collect::<Vec<_>>(), Some(watch))),
            Err(status) => Some((vec![Err(status)], None)),
        }
    });
    let events = batches.flat_map(futures::stream::iter).take_until(stop.cancelled_owned());
    Ok(Response::new(events.boxed()))
}

struct Watch {
    ledger: Ledger,
    seen: u64,
    subject: String,
}

impl Watch {
    /// Waits for events; a watcher so slow that the journal ran past it is told.
    async fn next_batch(&mut self) -> Result<Vec<FleetEvent>, Status> {
        let mut views = self.ledger.views();
        loop {
            let fleet = views.borrow_and_update().fleet.clone();
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
            if self.seen >= fleet.last_event_index() && views.changed().await.is_err() {
                return Err(Status::unavailable("this replica is stopping; resume at another"));
            }
        }
    }
}
