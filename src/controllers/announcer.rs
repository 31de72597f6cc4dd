use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{EventKind, FleetState};
use navarch_host::Moment;
use navarch_proto::api::FleetEvent;

use super::{
    BUSY_PERIOD, IDLE_PERIOD, Notifiers,
    changes::{after, node_of, time_ms},
    deliveries::{Deliveries, Lanes},
    notifiers::has_workloads,
    retries::Retries,
};
use crate::{
    leader::{Controller, Report, Tenure},
    notify::{Notice, Notifier, NotifyError},
};

const NAME: &str = "announcer";
/// Calls to the workload system under way at once.
const CALLS: usize = 64;
/// How often a notice is tried: for about a minute.
const ATTEMPTS: u32 = 7;
/// How long before its session a leader looks back for notices that its predecessor may not have given, in
/// milliseconds: as long as a notice is tried.
const LOOK_BACK_MS: u64 = 60_000;
/// How long one pass waits for answers; later ones are taken up by the next pass.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells the workload system of cordons and uncordons, as well as that can be done: a notice is tried for a
/// minute and then given up, and nothing waits for it. Of several changes of a node the last one is told.
pub(super) struct Announcer {
    notifiers: Arc<Notifiers>,
    /// Up to where the journal was read; none: the session is fresh.
    read_to: Option<u64>,
    /// What is to be told, by node.
    waiting: BTreeMap<String, Arc<Announcement>>,
    calls: Deliveries<String, (Arc<Announcement>, Result<(), NotifyError>)>,
    retries: Retries<String>,
}

/// Something to tell of a node.
#[derive(Debug, PartialEq, Eq)]
struct Announcement {
    event_index: u64,
    kind: AnnouncementKind,
    notice: Notice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnnouncementKind {
    Cordon,
    Uncordon,
}

impl AnnouncementKind {
    fn name(self) -> &'static str {
        match self {
            Self::Cordon => "cordon",
            Self::Uncordon => "uncordon",
        }
    }
}

impl Announcer {
    pub(super) fn new(notifiers: Arc<Notifiers>, lanes: Lanes<String>) -> Self {
        Self {
            notifiers,
            read_to: None,
            waiting: BTreeMap::new(),
            calls: Deliveries::new(lanes),
            retries: Retries::new(),
        }
    }

    /// Takes up what the journal has that was not there the last time.
    fn read(&mut self, fleet: &FleetState) {
        let newest = fleet.last_event_index();
        if !has_workloads(fleet) {
            self.waiting.clear();
            self.read_to = Some(newest);
            return;
        }
        let since_ms = fleet.session().opened_at.as_ms().saturating_sub(LOOK_BACK_MS);
        let fresh = self.read_to.is_none();
        for event in fleet.events_since(self.read_to.unwrap_or(0), usize::MAX) {
            if fresh && time_ms(event) < since_ms {
                continue;
            }
            let Some(node_id) = node_of(event).filter(|_| ends_earlier(&event.kind)) else {
                continue;
            };
            self.retries.forget(&node_id.to_owned());
            match announcement(event, node_id) {
                Some(one) => self.waiting.insert(node_id.to_owned(), Arc::new(one)),
                None => self.waiting.remove(node_id),
            };
        }
        self.read_to = Some(newest);
    }

    fn begin(&mut self, tenure: &Tenure, fleet: &FleetState, now: Moment) {
        let due = self.waiting.iter().filter(|(node_id, _)| {
            !self.calls.is_busy(node_id) && self.retries.is_due(node_id, now)
        });
        let room = CALLS.saturating_sub(self.calls.count());
        let due: Vec<_> = due.take(room).map(|(_, one)| Arc::clone(one)).collect();
        for announcement in due {
            let (tenure, notifier) = (tenure.clone(), self.notifiers.notifier(fleet));
            let lane = announcement.notice.node_id.clone();
            self.calls.begin(lane, async move {
                let told = tell(&tenure, notifier, &announcement).await;
                (announcement, told)
            });
        }
    }

    fn conclude(
        &mut self,
        announcement: &Announcement,
        told: Result<(), NotifyError>,
        now: Moment,
        report: &mut Report,
    ) {
        let node_id = &announcement.notice.node_id;
        // Something newer may have come for the node meanwhile; that has its own turn.
        let event_index = announcement.event_index;
        let is_last = self.waiting.get(node_id).is_some_and(|one| one.event_index == event_index);
        let error = match told {
            Ok(()) => {
                report.steps += 1;
                None
            }
            Err(error) => Some(error),
        };
        let again = match &error {
            Some(NotifyError::Failed(_)) if is_last => {
                self.retries.failed(node_id.clone(), now) < ATTEMPTS
            }
            Some(NotifyError::Failed(_) | NotifyError::Refused(_)) | None => false,
        };
        if is_last && !again {
            self.waiting.remove(node_id);
            self.retries.forget(node_id);
        }
        if let Some(error) = error {
            let next = if again { "is tried again" } else { "is given up" };
            let what = announcement.kind.name();
            report.fail(format!("the {what} notice for node {node_id} {next}: {error}"));
        }
    }
}

/// Whether an event makes what was to be told of its node before it out of date.
fn ends_earlier(kind: &str) -> bool {
    [
        EventKind::NodeCordoned,
        EventKind::NodeUncordoned,
        EventKind::NodeDraining,
        EventKind::NodeDrainRefused,
        EventKind::NodeTerminated,
        EventKind::NodeForgotten,
    ]
    .iter()
    .any(|one| one.as_str() == kind)
}

/// What the workload system is told of an event. Drains are the drainer's, and a drain that the workload
/// system refused is no news to it.
fn announcement(event: &FleetEvent, node_id: &str) -> Option<Announcement> {
    let refused_by_it = event.actor == "controller:drainer";
    let kind = match event.kind.as_str() {
        kind if kind == EventKind::NodeCordoned.as_str() => AnnouncementKind::Cordon,
        kind if kind == EventKind::NodeUncordoned.as_str() => AnnouncementKind::Uncordon,
        kind if kind == EventKind::NodeDrainRefused.as_str() && !refused_by_it => {
            match after(event, "administrative") {
                Some("cordoned") => AnnouncementKind::Cordon,
                Some(_) | None => AnnouncementKind::Uncordon,
            }
        }
        _ => return None,
    };
    let notice =
        Notice { node_id: node_id.to_owned(), reason: event.reason.clone(), at_ms: time_ms(event) };
    Some(Announcement { event_index: event.index, kind, notice })
}

async fn tell(
    tenure: &Tenure,
    notifier: Result<Arc<dyn Notifier>, NotifyError>,
    announcement: &Announcement,
) -> Result<(), NotifyError> {
    let notifier = notifier?;
    tenure.confirm().map_err(|doubt| NotifyError::Failed(doubt.to_string()))?;
    match announcement.kind {
        AnnouncementKind::Cordon => notifier.cordon(&announcement.notice).await,
        AnnouncementKind::Uncordon => notifier.uncordon(&announcement.notice).await,
    }
}

#[async_trait]
impl Controller for Announcer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState, _: u64) -> Duration {
        if self.waiting.is_empty() { IDLE_PERIOD } else { BUSY_PERIOD }
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &["node-cordoned", "node-uncordoned", "node-drain-refused"]
    }

    fn works_while_adopting(&self) -> bool {
        true
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let fleet = tenure.view().fleet;
        let clock = tenure.ledger().clock().clone();
        let until = clock.now() + PATIENCE;
        self.read(&fleet);
        self.begin(tenure, &fleet, clock.now());
        while let Some((_, (announcement, told))) = self.calls.next(&clock, until).await {
            self.conclude(&announcement, told, clock.now(), &mut report);
            self.begin(tenure, &fleet, clock.now());
        }
        report
    }
}

#[cfg(test)]
#[path = "announcer_test.rs"]
mod tests;
