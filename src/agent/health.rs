use std::time::Duration;

use navarch_host::Moment;
use navarch_proto::api::{HealthCheckResult, HealthEvent, ReportHealthRequest};
use tonic::Code;

use super::{
    checks::check_all,
    outbox::Batch,
    pace::Pace,
    shared::{Shared, jittered},
};
use crate::client::{CallError, CallOptions, Failure, rpc::ReportHealth};

/// Most events in one report.
const MAX_BATCH: usize = 500;
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
}

/// Reports until the agent stops: the checks once an interval, events soon after they are seen.
pub(super) async fn run(shared: &Shared) {
    let now = shared.clock.now();
    let pace = Pace::new(PAUSES.0, PAUSES.1);
    let mut rounds = Rounds { due: now, not_before: now, pace, first: true };
    while shared.until_stopped(rounds.next(shared)).await.is_some() {}
}

impl Rounds {
    /// Reports what is to be reported, and waits for more.
    async fn next(&mut self, shared: &Shared) {
        let now = shared.clock.now();
        let checks_due = now >= self.due;
        if shared.outbox.counts().0 > 0 && (checks_due || now >= self.not_before) {
            // Before the checks, which a driver that hangs holds up.
            let got_through = report_events(shared).await;
            self.not_before = match got_through {
                true => {
                    self.pace.succeeded();
                    shared.clock.now()
                }
                false => shared.clock.now() + self.pace.failed(rand::random()),
            };
        }
        if checks_due {
            report_checks(shared).await;
            let interval = shared.settings().health_check;
            let step = if self.first { jittered(interval, 0.5) } else { interval };
            self.due = shared.clock.now() + step;
            self.first = false;
        }
        let next = match shared.outbox.counts().0 {
            0 => self.due,
            _ => self.due.min(self.not_before),
        };
        tokio::select! {
            () = shared.clock.sleep_until(next) => {}
            () = shared.outbox.news() => shared.clock.sleep(COALESCE).await,
        }
    }
}

/// Reports the oldest events; whether there are none, or they were acknowledged. They go alone: a repeat under the same
/// request id is answered from memory, and what else it carried would be lost.
async fn report_events(shared: &Shared) -> bool {
    let Some(batch) = shared.outbox.batch(MAX_BATCH) else { return true };
    let events = batch.events.clone();
    match report(shared, (Vec::new(), events), Some(batch.request_id.clone())).await {
        Ok(()) => {
            shared.outbox.acknowledged(&batch);
            true
        }
        Err(error) => {
            if is_refused(&error) {
                refused(shared, &batch, &error);
            }
            false
        }
    }
}

/// Runs the checks and reports them as they are now, under an id of their own.
async fn report_checks(shared: &Shared) {
    let results = check_all(shared, &shared.settings()).await;
    if !results.is_empty() {
        // The next ones tell more than a repetition of these.
        let _ = report(shared, (results, Vec::new()), None).await;
    }
}

async fn report(
    shared: &Shared,
    (results, events): (Vec<HealthCheckResult>, Vec<HealthEvent>),
    request_id: Option<String>,
) -> Result<(), CallError> {
    let registrations = shared.settings().registrations;
    let request = ReportHealthRequest { node_id: shared.config.node_id.clone(), results, events };
    let options = CallOptions { request_id, tries: TRIES, ..CallOptions::within(LONGEST_CALL) };
    let answer = shared.client.call::<ReportHealth>(request, &options).await;
    match &answer {
        Ok(answer) => {
            tracing::debug!(status = ?answer.message.node_status(), "health reported");
        }
        Err(error) if error.failure() == Failure::NotFound => {
            shared.may_be_forgotten(registrations, error.retry_after());
        }
        Err(error) => {
            tracing::warn!(node = shared.config.node_id, %error, "health not reported");
        }
    }
    answer.map(drop)
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
