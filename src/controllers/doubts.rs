use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use navarch_fleet::{FleetState, Instance, InstanceId, LogTime};

/// Orders that may have bought a machine or not, of clouds that forget orders and would sell a second one. The
/// provisioner, which asks, and the orphan sweep, which gives them up, share it; it dies with the session.
#[derive(Clone, Default)]
pub(super) struct Doubts(Arc<Mutex<BTreeMap<InstanceId, LogTime>>>);

impl Doubts {
    /// An order was asked, and what it came to is not known, or not recorded.
    pub(super) fn note(&self, id: &InstanceId, now: LogTime) {
        self.lock().entry(id.clone()).or_insert(now);
    }

    /// Since when it is in doubt; none: it was not asked, or is being asked. What an earlier session did with an order
    /// nobody knows.
    pub(super) fn since(&self, fleet: &FleetState, instance: &Instance) -> Option<LogTime> {
        let opened_at = fleet.session().opened_at;
        if instance.created_at <= opened_at {
            return Some(opened_at);
        }
        self.lock().get(&instance.id).copied()
    }

    /// Forgets all but those.
    pub(super) fn retain(&self, is_open: impl Fn(&InstanceId) -> bool) {
        self.lock().retain(|id, _| is_open(id));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<InstanceId, LogTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
