use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use navarch_host::{Spawner, TaskHandle, panic_message};
use tokio::sync::Notify;

use super::{Controller, Report, Reports, Tenure, wake_ups::WakeUps};

/// A woken controller still rests this long after its last pass, so that a burst of events costs one pass
/// and not one each.
const SHORTEST_REST: Duration = Duration::from_millis(100);
/// Each further pass that an event woke rests twice as long, up to this, so that two controllers which undo
/// each other's work cannot keep the leader busy.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// Between two looks at the journal for events that wake a controller.
const LOOK_REST: Duration = Duration::from_millis(10);

/// The running controllers of one session.
pub(super) struct Driver {
    tasks: Vec<TaskHandle>,
}

impl Driver {
    /// Starts one task a controller, and one that wakes them.
    pub(super) fn start(
        controllers: Vec<Box<dyn Controller>>,
        tenure: &Tenure,
        reports: &Reports,
        spawner: &Arc<dyn Spawner>,
    ) -> Self {
        let seen = tenure.view().fleet.last_event_index();
        let mut wake_ups = WakeUps::default();
        let mut tasks: Vec<_> = controllers
            .into_iter()
            .map(|controller| {
                let wake = wake_ups.enter(&*controller);
                let tenure = tenure.of(controller.name());
                spawner.spawn("controller", run(controller, wake, tenure, reports.clone()))
            })
            .collect();
        let ended = tenure.ended().clone();
        let waking = wake_ups.run(tenure.ledger().paced_views(LOOK_REST), seen);
        tasks.push(spawner.spawn("controller-wake-ups", async move {
            ended.run_until_cancelled_owned(waking).await;
        }));
        Self { tasks }
    }

    /// Waits until all of them have ended; their session's token has been cancelled before.
    pub(super) async fn join(self) {
        for task in self.tasks {
            task.join().await;
        }
    }
}

async fn run(
    mut controller: Box<dyn Controller>,
    wake: Arc<Notify>,
    tenure: Tenure,
    reports: Reports,
) {
    let ended = tenure.ended().clone();
    // Dropping a pass in the middle is safe: intents are in the log before effects, and the next session
    // takes up whatever is left.
    let passes = passes(&mut *controller, &wake, &tenure, &reports);
    ended.run_until_cancelled_owned(passes).await;
}

async fn passes(
    controller: &mut dyn Controller,
    wake: &Notify,
    tenure: &Tenure,
    reports: &Reports,
) {
    let clock = tenure.ledger().clock().clone();
    let mut rest = SHORTEST_REST;
    loop {
        // The pass sees whatever it was woken for so far.
        let _ = wake.notified().now_or_never();
        let started = clock.now();
        let report = pass(controller, tenure).await;
        if report.failed > 0 {
            tracing::warn!(
                controller = controller.name(),
                failed = report.failed,
                error = report.last_error,
            );
        }
        let took = clock.now().since(started);
        reports.record(controller.name(), clock.wall_ms(), took, &report);

        // Periods count from the start of a pass, so that slow ones do not drift.
        let ended = clock.now();
        let period = controller.period(&tenure.view().fleet, tenure.now_ms());
        let due = (started + period).max(ended + SHORTEST_REST);
        rest = match clock.timeout_at(due, wake.notified()).await {
            Ok(()) => {
                clock.sleep_until(due.min(ended + rest)).await;
                (rest * 2).min(LONGEST_REST)
            }
            Err(_) => SHORTEST_REST,
        };
    }
}

/// One pass. A controller that panics has a bug, but not one that may end its work for the whole session.
async fn pass(controller: &mut dyn Controller, tenure: &Tenure) -> Report {
    if tenure.view().fleet.adoption().is_some() && !controller.works_while_adopting() {
        let summary = "stands still: the fleet is in adopt mode".to_owned();
        return Report { summary, ..Report::default() };
    }
    if let Err(error) = tenure.settle().await {
        let mut report = Report::default();
        report.fail(format!("an earlier step is still in doubt: {error}"));
        return report;
    }
    let reconciled = AssertUnwindSafe(controller.reconcile(tenure)).catch_unwind().await;
    reconciled.unwrap_or_else(|panic| {
        let mut report = Report::default();
        report.fail(format!("panicked: {}", panic_message(&*panic)));
        report
    })
}

#[cfg(test)]
#[path = "driver_test.rs"]
mod tests;
