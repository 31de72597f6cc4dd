use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use navarch_fleet::FleetState;
use navarch_host::{Clock, Mishap, Moment, guarded};

use super::{
    changes::{health_transition, instance_failure, is_stale},
    retries::Retries,
};
use crate::notify::{
    HealthTransition, InstanceFailure, InstanceObserver, NodeHealthObserver, NotifyError,
};

/// How many changes wait for one observer; the journal keeps the others.
const WAITING: usize = 1_000;
/// Calls of one webhook under way at once.
const WEBHOOK_CALLS: usize = 32;
/// How long a call of an observer may take; a webhook has its own limit.
const LONGEST_CALL: Duration = Duration::from_secs(30);

/// Who is told.
#[derive(Clone)]
pub(super) enum Listener {
    /// A callback: one call at a time, in the journal's order.
    Health(Arc<dyn NodeHealthObserver>),
    /// The same for instances.
    Instances(Arc<dyn InstanceObserver>),
    /// A webhook: calls for different nodes side by side, those of one node in order.
    Webhook(Arc<dyn NodeHealthObserver>),
}

/// What is told.
#[derive(Debug)]
pub(super) enum Change {
    Health(HealthTransition),
    Instance(InstanceFailure),
}

/// The journal as one observer is told it.
pub(super) struct Feed {
    pub(super) listener: Listener,
    /// Up to where the journal was read.
    read_to: u64,
    /// What was read and not told yet, by the index of its event.
    waiting: BTreeMap<u64, Arc<Change>>,
    retries: Retries<u64>,
}

impl Feed {
    /// What comes after the event `told`.
    pub(super) fn after(told: u64, listener: Listener) -> Self {
        Self { listener, read_to: told, waiting: BTreeMap::new(), retries: Retries::new() }
    }

    /// The last event up to which everything was told.
    pub(super) fn told(&self) -> u64 {
        self.waiting.keys().next().map_or(self.read_to, |first| first.saturating_sub(1))
    }

    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Reads on; how many events have left the journal unread.
    pub(super) fn read(&mut self, fleet: &FleetState) -> u64 {
        let missed = fleet.first_event_index().saturating_sub(self.read_to.saturating_add(1));
        self.read_to = self.read_to.saturating_add(missed);
        for event in fleet.events_since(self.read_to, usize::MAX) {
            if self.waiting.len() >= WAITING {
                break;
            }
            self.read_to = event.index;
            let change = match &self.listener {
                Listener::Health(_) | Listener::Webhook(_) => {
                    health_transition(event, fleet).map(Change::Health)
                }
                Listener::Instances(_) => instance_failure(event, fleet).map(Change::Instance),
            };
            if let Some(change) = change {
                self.waiting.insert(event.index, Arc::new(change));
            }
        }
        missed
    }

    /// What may be told now beside the calls that are under way in the lanes `busy`: its lane, index and
    /// change.
    pub(super) fn due(
        &self,
        busy: &BTreeSet<&str>,
        now: Moment,
    ) -> Vec<(String, u64, Arc<Change>)> {
        let calls = match &self.listener {
            Listener::Health(_) | Listener::Instances(_) => 1,
            Listener::Webhook(_) => WEBHOOK_CALLS,
        };
        let room = calls.saturating_sub(busy.len());
        let mut passed = BTreeSet::new();
        let mut due = Vec::new();
        for (index, change) in &self.waiting {
            if due.len() >= room {
                break;
            }
            let lane = self.lane(change);
            // Only the first of each lane may go, be it that it has to wait.
            let first = passed.insert(lane) && !busy.contains(lane);
            if first && self.retries.is_due(index, now) {
                due.push((lane.to_owned(), *index, Arc::clone(change)));
            }
        }
        due
    }

    /// What is told in one lane is told in order.
    fn lane<'a>(&self, change: &'a Change) -> &'a str {
        match (&self.listener, change) {
            (Listener::Webhook(_), Change::Health(transition)) => &transition.node_id,
            (Listener::Webhook(_) | Listener::Health(_) | Listener::Instances(_), _) => "",
        }
    }

    /// Takes in how the event `index` was received; what a person should know of it.
    pub(super) fn conclude(
        &mut self,
        index: u64,
        told: Result<(), NotifyError>,
        now: Moment,
    ) -> Result<(), String> {
        if let Err(NotifyError::Failed(why)) = told {
            self.retries.failed(index, now);
            return Err(format!("event {index} is told an observer again: {why}"));
        }
        self.waiting.remove(&index);
        self.retries.forget(&index);
        told.map_err(|error| format!("event {index} is passed over by an observer: {error}"))
    }
}

impl Listener {
    /// Tells a change. A panic of the observer counts as a refusal: it would come again.
    pub(super) async fn tell(self, change: Arc<Change>, clock: Clock) -> Result<(), NotifyError> {
        if let (Self::Webhook(webhook), Change::Health(transition)) = (&self, &*change) {
            return webhook.on_health_transition(transition).await;
        }
        guarded(&clock, LONGEST_CALL, self.call(&change)).await.unwrap_or_else(|mishap| {
            let said = format!("the observer {mishap}");
            Err(match mishap {
                Mishap::Panicked(_) => NotifyError::Refused(said),
                Mishap::Hung(_) => NotifyError::Failed(said),
            })
        })
    }

    async fn call(&self, change: &Change) -> Result<(), NotifyError> {
        match (self, change) {
            (Self::Health(observer) | Self::Webhook(observer), Change::Health(transition)) => {
                observer.on_health_transition(transition).await
            }
            (Self::Instances(observer), Change::Instance(failure)) if is_stale(failure) => {
                observer.on_stale_instance(failure).await
            }
            (Self::Instances(observer), Change::Instance(failure)) => {
                observer.on_failed_instance(failure).await
            }
            // A feed reads what its listener is told, and nothing else.
            (Self::Health(_) | Self::Webhook(_), Change::Instance(_))
            | (Self::Instances(_), Change::Health(_)) => Ok(()),
        }
    }
}
