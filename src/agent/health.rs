use std::time::Duration;

use navarch_host::Moment;
use navarch_proto::api::{HealthCheckResult, HealthEvent, ReportHealthRequest};
use tonic::Code;

use super::{
    AgentError,
    checks::check_all,
    gpu::{Counters, GpuNews},
    outbox::{Batch, NotAdded, Seen, Sighting},
    pace::Pace,
    shared::{Shared, jittered},
    system::System,
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
pub(super) struct Rounds {
    /// When the checks are due.
    due: Moment,
    /// Events are not tried again before.
    not_before: Moment,
    pace: Pace,
    first: bool,
    counters: Counters,
    /// What the source told and what found no place on the way to the disk.
    held_up: Option<Box<Sighting>>,
}

impl Rounds {
    /// Goes on from what the outbox knows of the time before.
    pub(super) fn begin(shared: &Shared) -> Self {
        let now = shared.clock.now();
        let boot = System::new(shared.config.proc_dir.clone()).boot_id();
        Self {
            due: now,
            not_before: now,
            pace: Pace::new(PAUSES.0, PAUSES.1),
            first: true,
            counters: Counters::resume(shared.outbox.counters(), boot),
            held_up: None,
        }
    }

    /// Keeps what is seen while nothing can be reported yet, as long as it is let.
    pub(super) async fn only_collect(&mut self, shared: &Shared) {
        while self.collect(shared) {
            shared.clock.sleep(COLLECT_EVERY).await;
        }
    }

    /// Reports until the agent stops: the checks once an interval, events soon after they are seen.
    pub(super) async fn run(mut self, shared: &Shared) {
        self.due = shared.clock.now();
        while shared.until_stopped(self.next(shared)).await.is_some() {}
    }

    /// Collects, reports what is to be reported, and waits for more.
    async fn next(&mut self, shared: &Shared) {
        if !self.collect(shared) {
            return;
        }
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
        let wake = shared.clock.now() + COLLECT_EVERY;
        tokio::select! {
            () = shared.clock.sleep_until(wake.min(self.due)) => {}
            () = shared.outbox.news() => shared.clock.sleep(COALESCE).await,
        }
    }

    /// Hands on what the GPUs have to tell; `false`: nothing can be kept any more, and the agent ends.
    fn collect(&mut self, shared: &Shared) -> bool {
        let sighting = self.held_up.take().unwrap_or_else(|| Box::new(self.look(shared)));
        // Where the disk hangs the source keeps what it can, and counts what it cannot.
        if let Err(NotAdded::Full(sighting)) = shared.outbox.try_add(*sighting) {
            self.held_up = Some(sighting);
        }
        let ended = shared.outbox.has_ended();
        if ended {
            shared.fail(AgentError::EventsNotKept);
        }
        !ended
    }

    fn look(&mut self, shared: &Shared) -> Sighting {
        let GpuNews { mut events, dropped, readings } = shared.probe.source().take_news();
        events.extend(readings.iter().flat_map(|reading| self.counters.read(reading)));
        let counters = self.counters.take_changed();
        Sighting { events, dropped, counters, ..Sighting::by(Seen::Driver) }
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
