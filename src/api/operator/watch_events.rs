use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use navarch_fleet::FleetState;
use navarch_host::{Clock, Moment};
use navarch_proto::api::{FleetEvent, WatchEventsRequest};
use prost::Message as _;
use tonic::Status;

use super::list_events::{check_happened, check_kept, concerns};
use crate::{
    api::{
        call::{Call, Consistency},
        watchers::{MOST_EVENTS, Presence, SHORTEST_REST, Watchers, framed},
    },
    ledger::PacedViews,
};

/// Follows the journal, as gRPC frames with any number of events each. The journal is state, so a watch resumed on any
/// replica misses and repeats nothing.
pub(in crate::api) async fn watch_event_frames(
    call: Call,
    request: WatchEventsRequest,
) -> Result<impl Stream<Item = Result<Bytes, Status>> + Send + use<>, Status> {
    let all = request.subject.is_empty();
    follow(call, request, move |watch, fleet| {
        let piece = match all {
            true => watch.watchers.frames_after(fleet, watch.seen)?,
            false => framed(fleet, watch.seen, |event| concerns(event, &watch.subject))?,
        };
        let Some((last, frames)) = piece else { return Ok(None) };
        watch.seen = last;
        Ok((!frames.is_empty()).then(|| (frames.len(), frames)))
    })
    .await
}

/// The same, event by event.
pub(in crate::api) async fn watch_events(
    call: Call,
    request: WatchEventsRequest,
) -> Result<impl Stream<Item = Result<FleetEvent, Status>> + Send + use<>, Status> {
    let batches = follow(call, request, |watch, fleet| {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for event in fleet.events_since(watch.seen, MOST_EVENTS) {
            watch.seen = event.index;
            if concerns(event, &watch.subject) {
                bytes += event.encoded_len();
                batch.push(Ok(FleetEvent::clone(event)));
            }
        }
        Ok((!batch.is_empty()).then_some((bytes, batch)))
    });
    let one_by_one = |batch: Result<Vec<_>, Status>| {
        futures::stream::iter(batch.unwrap_or_else(|status| vec![Err(status)]))
    };
    Ok(batches.await?.flat_map(one_by_one))
}

/// Takes from the journal by `take` whenever there is more; it answers how many bytes it took, too.
async fn follow<T, F>(
    call: Call,
    request: WatchEventsRequest,
    take: F,
) -> Result<impl Stream<Item = Result<T, Status>> + Send + use<T, F>, Status>
where
    T: Send,
    F: Fn(&mut Watch, &FleetState) -> Result<Option<(usize, T)>, Status> + Clone + Send,
{
    let view = call.view().await?;
    let since = request.since.unwrap_or_else(|| view.fleet.last_event_index());
    check_kept(&view.fleet, since)?;
    if call.context.consistency == Consistency::Linearizable {
        check_happened(&view.fleet, since)?;
    }
    let watch = Watch {
        views: call.api.ledger.paced_views(SHORTEST_REST),
        watchers: Arc::clone(&call.api.watchers),
        _presence: call.api.watchers.enter(),
        seen: since,
        known: view.fleet.last_event_index(),
        subject: request.subject,
        not_before: call.api.watchers.charge(0, call.api.clock().now()),
        clock: call.api.clock().clone(),
    };
    let taken = futures::stream::unfold(Some(watch), move |watch| {
        let take = take.clone();
        async move {
            let mut watch = watch?;
            match watch.next(take).await {
                Ok(taken) => Some((Ok(taken), Some(watch))),
                Err(status) => Some((Err(status), None)),
            }
        }
    });
    // An open watch would hold up a graceful stop.
    let closing = call.api.closing.clone().cancelled_owned();
    Ok(taken.take_until(closing))
}

struct Watch {
    views: PacedViews,
    watchers: Arc<Watchers>,
    _presence: Presence,
    seen: u64,
    /// The last event of the state that was last waited for.
    known: u64,
    subject: String,
    clock: Clock,
    /// It has had its share of what watchers are sent until then.
    not_before: Moment,
}

impl Watch {
    /// Waits until `take` has something; a watcher so slow that the journal ran past it is told. No state of the fleet
    /// is held meanwhile: it would stay in memory for as long as somebody does not read.
    async fn next<T>(
        &mut self,
        take: impl Fn(&mut Self, &FleetState) -> Result<Option<(usize, T)>, Status>,
    ) -> Result<T, Status> {
        self.clock.sleep_until(self.not_before).await;
        loop {
            if self.seen >= self.known {
                let stopping = "this replica is stopping; resume at another";
                self.views.set_rest(self.watchers.rest());
                let view = self.views.next().await;
                let view = view.ok_or_else(|| Status::unavailable(stopping))?;
                self.known = view.fleet.last_event_index();
            }
            let fleet = self.views.newest().fleet;
            check_kept(&fleet, self.seen)?;
            if let Some((bytes, taken)) = take(self, &fleet)? {
                self.not_before = self.watchers.charge(bytes, self.clock.now());
                return Ok(taken);
            }
            // One that looks for little in much must not keep the others from being served.
            tokio::task::yield_now().await;
        }
    }
}
