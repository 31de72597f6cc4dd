use std::{sync::Arc, time::Duration};

use navarch_host::{Spawner, TaskHandle};
use navarch_proto::api::FleetEvent;

use super::{Controller, Reports, Tenure};
use crate::ledger::View;

/// A woken controller still rests this long after its last pass, so that a burst of events costs one pass
/// and not one each.
const MIN_REST: Duration = Duration::from_millis(100);

/// How many events a controller looks at for one wake-up; with more than that behind it, it wakes anyway.
const EVENTS_PER_LOOK: usize = 1_000;

/// The running controllers of one session.
pub(super) struct Driver {
    tasks: Vec<TaskHandle>,
}

impl Driver {
    /// Starts one task a controller.
    pub(super) fn start(
        controllers: Vec<Box<dyn Controller>>,
        tenure: &Tenure,
        reports: &Reports,
        spawner: &Arc<dyn Spawner>,
    ) -> Self {
        let tasks = controllers
            .into_iter()
            .map(|controller| {
                let run = run(controller, tenure.clone(), reports.clone());
                spawner.spawn("controller", run)
            })
            .collect();
        Self { tasks }
    }

    /// Waits until all of them have ended; their session's token has been cancelled before.
    pub(super) async fn join(self) {
        for task in self.tasks {
            task.join().await;
        }
    }
}

async fn run(mut controller: Box<dyn Controller>, tenure: Tenure, reports: Reports) {
    let ended = tenure.ended().clone();
    // Dropping a pass in the middle is safe: intents are in the log before effects, and the next session
    // takes up whatever is left.
    ended.run_until_cancelled_owned(passes(&mut *controller, &tenure, &reports)).await;
}

async fn passes(controller: &mut dyn Controller, tenure: &Tenure, reports: &Reports) {
    let clock = tenure.ledger().clock().clone();
    let mut views = tenure.ledger().views();
    loop {
        let seen_event = views.borrow_and_update().fleet.last_event_index();
        let started = clock.now();
        let report = controller.reconcile(tenure).await;
        let took = clock.now().since(started);
        if report.failed > 0 {
            tracing::warn!(controller = controller.name(), failed = report.failed, error = %report.last_error);
        }
        reports.record(controller.name(), clock.wall_ms(), took, &report);

        let period = controller.period(&tenure.view().fleet);
        let due = clock.now() + period.max(MIN_REST);
        clock.sleep(MIN_REST.min(period)).await;
        let woken = wait_for_event(controller, &mut views, seen_event);
        // Whether it was woken or is due does not matter: a pass takes no input.
        let _ = clock.timeout_at(due, woken).await;
    }
}

/// Returns once the journal holds an event after `seen` that `controller` wakes on.
async fn wait_for_event(
    controller: &dyn Controller,
    views: &mut tokio::sync::watch::Receiver<View>,
    mut seen: u64,
) {
    loop {
        let fleet = Arc::clone(&views.borrow_and_update().fleet);
        let newest = fleet.last_event_index();
        if newest > seen {
            let missed = newest - seen > EVENTS_PER_LOOK as u64;
            let wakes = |event: &Arc<FleetEvent>| controller.wakes_on(event);
            if missed || fleet.events_since(seen, EVENTS_PER_LOOK).any(wakes) {
                return;
            }
            seen = newest;
        }
        if views.changed().await.is_err() {
            // The replica is stopping, and the session with it.
            std::future::pending::<()>().await;
        }
    }
}
