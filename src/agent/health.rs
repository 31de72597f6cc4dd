use std::time::Duration;

use navarch_host::Moment;
use navarch_proto::api::{HealthCheckResult, HealthEvent, ReportHealthRequest};
use tonic::Code;

use super::{
    checks::check_all,
    outbox::{Batch, Seen},
    pace::Pace,
    shared::{Shared, jittered},
};
use crate::client::{CallError, CallOptions, Failure, rpc::ReportHealth};

/// Most events in one report.
const MAX_BATCH: usize = 500;
/// How often the source of the GPUs is asked for events.
const COLLECT_EVERY: Duration = Duration::from_millis(500);
/// What comes within this time after an event goes with it.
const COALESCE: Duration = Duration::from_millis(200);
/// Limit of one report: a repeat carries the same events under the same id.
const LONGEST_CALL: Duration = Duration::from_secs(5);
/// Replicas that are asked for one report, at most: a whole fleet that waits for the group must not meet it at once.
const TRIES: u32 = 3;
/// Pauses between reports of events that do not get through: a few seconds at first, then about a minute.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// What the loop knows between two reports.
struct Rounds {
    /// When the checks are due.
    due: Moment,
    /// Events are not tried again before.
    not_before: Moment,
    pace: Pace,
    first: bool,
    /// Events of the source that found no place on the way to the disk.
    held_up: Vec<HealthEvent>,
}

/// Reports until the agent stops: the checks once an interval, events soon after they are seen.
pub(super) async fn run(shared: &Shared) {
    let now = shared.clock.now();
    let mut rounds = Rounds {
        due: now,
        not_before: now,
        pace: Pace::new(PAUSES.0, PAUSES.1),
        first: true,
        held_up: Vec::new(),
    };
    while shared.until_stopped(rounds.next(shared)).await.is_some() {}
}

impl Rounds {
    /// Collects, reports what is to be reported, and waits for more.
    async fn next(&mut self, shared: &Shared) {
        self.collect(shared);
        let now = shared.clock.now();
        let checks_due = now >= self.due;
        let events_wait = shared.outbox.counts().0 > 0 && now >= self.not_before;
        if checks_due || events_wait {
            let settings = shared.settings();
            let results = match checks_due {
                true => check_all(shared, &settings).await,
                false => Vec::new(),
            };
            let got_through = report(shared, results, settings.registrations).await;
            self.plan(shared, checks_due, got_through);
        }
        let wake = shared.clock.now() + COLLECT_EVERY;
        tokio::select! {
            () = shared.clock.sleep_until(wake.min(self.due)) => {}
            () = shared.outbox.news() => shared.clock.sleep(COALESCE).await,
        }
    }

    fn collect(&mut self, shared: &Shared) {
        let mut events = std::mem::take(&mut self.held_up);
        if events.is_empty() {
            events = shared.probe.source().take_events();
        }
        // Where the disk hangs the source keeps what it can, and says what it cannot.
        self.held_up = shared.outbox.try_add(Seen::Driver, events).err().unwrap_or_default();
    }

    fn plan(&mut self, shared: &Shared, checks_due: bool, got_through: bool) {
        let now = shared.clock.now();
        if checks_due {
            let interval = shared.settings().health_check;
            self.due = now + if self.first { jittered(interval, 0.5) } else { interval };
            self.first = false;
        }
        self.not_before = match got_through {
            true => {
                self.pace.succeeded();
                now
            }
            false => now + self.pace.failed(rand::random()),
        };
    }
}

/// Reports `results` and the oldest events; whether it was acknowledged.
async fn report(shared: &Shared, results: Vec<HealthCheckResult>, registrations: u64) -> bool {
    let batch = shared.outbox.batch(MAX_BATCH);
    let events = batch.as_ref().map_or_else(Vec::new, |batch| batch.events.clone());
    if results.is_empty() && events.is_empty() {
        return true;
    }
    let request = ReportHealthRequest { node_id: shared.config.node_id.clone(), results, events };
    let options = CallOptions {
        request_id: batch.as_ref().map(|batch| batch.request_id.clone()),
        tries: TRIES,
        ..CallOptions::within(LONGEST_CALL)
    };
    match shared.client.call::<ReportHealth>(request, &options).await {
        Ok(answer) => {
            tracing::debug!(status = ?answer.message.node_status(), "health reported");
            if let Some(batch) = &batch {
                shared.outbox.acknowledged(batch);
            }
            true
        }
        Err(error) if error.failure() == Failure::NotFound => {
            shared.may_be_forgotten(registrations, error.retry_after());
            false
        }
        Err(error) => {
            tracing::warn!(node = shared.config.node_id, %error, "health not reported");
            if let Some(batch) = batch.filter(|_| is_refused(&error)) {
                refused(shared, &batch, &error);
            }
            false
        }
    }
}

/// Whether the same events would be refused for ever.
fn is_refused(error: &CallError) -> bool {
    matches!(error, CallError::TooLarge { .. }) || error.code() == Code::InvalidArgument
}

fn refused(shared: &Shared, batch: &Batch, error: &CallError) {
    if let Some(event) = shared.outbox.refused(batch) {
        let (id, message) = (&event.event_id, &event.message);
        tracing::error!(event = id, message, %error, "the group refuses a health event; it is dropped");
    }
}
