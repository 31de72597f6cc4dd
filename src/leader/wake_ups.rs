use std::sync::Arc;

use navarch_fleet::{EventKind, FleetState};
use navarch_proto::api::FleetEvent;
use tokio::sync::Notify;

use super::Controller;
use crate::ledger::PacedViews;

/// How many events one look takes; with more than that to catch up, everybody is woken.
const EVENTS_PER_LOOK: usize = 1_000;

/// Wakes controllers as events of their kinds appear: one look at the journal serves all of them.
#[derive(Default)]
pub(super) struct WakeUps {
    sleepers: Vec<Sleeper>,
}

/// A controller as far as its waking goes.
struct Sleeper {
    /// The actor of what it does itself, which does not wake it.
    actor: String,
    kinds: &'static [&'static str],
    wake: Arc<Notify>,
}

impl WakeUps {
    /// Enters a controller: what it waits on.
    pub(super) fn enter(&mut self, controller: &dyn Controller) -> Arc<Notify> {
        let wake = Arc::<Notify>::default();
        self.sleepers.push(Sleeper {
            actor: format!("controller:{}", controller.name()),
            kinds: controller.wakes_on(),
            wake: Arc::clone(&wake),
        });
        wake
    }

    /// Follows `views` from the event after `seen` on, until the replica stops.
    pub(super) async fn run(self, mut views: PacedViews, mut seen: u64) {
        let mut fleet = views.newest().fleet;
        loop {
            self.look(&fleet, seen);
            seen = fleet.last_event_index();
            let Some(view) = views.next().await else { return };
            fleet = view.fleet;
        }
    }

    fn look(&self, fleet: &FleetState, seen: u64) {
        let missed = fleet.last_event_index().saturating_sub(seen) > EVENTS_PER_LOOK as u64;
        if missed {
            self.sleepers.iter().for_each(|sleeper| sleeper.wake.notify_one());
            return;
        }
        for event in fleet.events_since(seen, EVENTS_PER_LOOK) {
            let woken = self.sleepers.iter().filter(|sleeper| sleeper.wakes_on(event));
            woken.for_each(|sleeper| sleeper.wake.notify_one());
        }
    }
}

impl Sleeper {
    fn wakes_on(&self, event: &FleetEvent) -> bool {
        let kind = event.kind.as_str();
        // Whoever stood still has all of its work before it.
        let released = kind == EventKind::AdoptionEnded.as_str();
        released || (self.kinds.contains(&kind) && event.actor != self.actor)
    }
}
