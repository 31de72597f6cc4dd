use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{EventKind, FleetState};
use navarch_host::Moment;
use navarch_proto::fleet::{RecordObserved, proposal::Kind};

use super::{
    BUSY_PERIOD, IDLE_PERIOD, Notifiers,
    deliveries::{Deliveries, Lanes},
    feed::{Change, Feed, Listener},
};
use crate::{
    leader::{Controller, Report, Tenure},
    notify::{NotifyError, Observers},
};

const NAME: &str = "observation";
/// How long one pass waits for answers; later ones are taken up by the next pass.
const PATIENCE: Duration = Duration::from_secs(1);
/// Events that concern no observer are recorded as observed once there are so many, so that they are not read
/// again and again.
const RECORD_EVERY: u64 = 1_000;

/// Tells observers what the journal has for them, and records how far it has come, so that the next leader
/// goes on from there. Without observers it records nothing.
pub(super) struct Observation {
    observers: Observers,
    notifiers: Arc<Notifiers>,
    /// One an observer, and the webhook's after them.
    feeds: Vec<Feed>,
    /// By the number of the feed and its lane.
    calls: Deliveries<(usize, String), (u64, Result<(), NotifyError>)>,
    /// The lanes of each feed in which a call is under way.
    busy: Vec<(usize, String)>,
}

impl Observation {
    pub(super) fn new(observers: Observers, notifiers: Arc<Notifiers>) -> Self {
        let calls = Deliveries::new(Lanes::default());
        Self { observers, notifiers, feeds: Vec::new(), calls, busy: Vec::new() }
    }

    /// Brings the feeds in line with who is there to be told.
    fn open(&mut self, fleet: &FleetState, report: &mut Report) {
        let Observers { health, instances } = &self.observers;
        let own = health.len() + instances.len();
        if self.feeds.is_empty() && own > 0 {
            let told = beginning(fleet);
            let health = health.iter().cloned().map(Listener::Health);
            let all = health.chain(instances.iter().cloned().map(Listener::Instances));
            self.feeds = all.map(|listener| Feed::after(told, listener)).collect();
        }
        match self.notifiers.health(fleet) {
            Ok(None) => self.feeds.truncate(own),
            Ok(Some(webhook)) => match self.feeds.get_mut(own) {
                Some(feed) => feed.listener = Listener::Webhook(webhook),
                None => {
                    let feed = Feed::after(beginning(fleet), Listener::Webhook(webhook));
                    self.feeds.push(feed);
                }
            },
            Err(error) => report.fail(format!("nobody can be told of nodes' health: {error}")),
        }
    }

    fn read(&mut self, fleet: &FleetState, report: &mut Report) {
        for feed in &mut self.feeds {
            let missed = feed.read(fleet);
            if missed > 0 {
                report.fail(format!(
                    "{missed} events left the journal before an observer was told of them"
                ));
            }
        }
    }

    fn begin(&mut self, tenure: &Tenure) {
        let clock = tenure.ledger().clock();
        for (number, feed) in self.feeds.iter().enumerate() {
            let busy = self.busy.iter().filter(|(feed, _)| *feed == number);
            let busy = busy.map(|(_, lane)| lane.as_str()).collect();
            let due = feed.due(&busy, clock.now());
            for (lane, index, change) in due {
                let call = tell(tenure.clone(), feed.listener.clone(), change);
                let lane = (number, lane);
                if self.calls.begin(lane.clone(), async move { (index, call.await) }) {
                    self.busy.push(lane);
                }
            }
        }
    }

    fn conclude(
        &mut self,
        lane: &(usize, String),
        (index, told): (u64, Result<(), NotifyError>),
        now: Moment,
        report: &mut Report,
    ) {
        self.busy.retain(|other| other != lane);
        // The feed may have gone with its webhook.
        let Some(feed) = self.feeds.get_mut(lane.0) else { return };
        match feed.conclude(index, told, now) {
            Ok(()) => report.steps += 1,
            Err(problem) => report.fail(problem),
        }
    }

    /// Records how far all observers have been told. The first position is recorded at once: the next leader
    /// could not know it.
    async fn record(&mut self, tenure: &Tenure, told_some: bool, report: &mut Report) {
        let fleet = tenure.view().fleet;
        let observed = fleet.observed_event_index();
        let Some(told) = self.feeds.iter().map(Feed::told).min() else { return };
        let far = told >= observed.saturating_add(RECORD_EVERY);
        if told > observed && (told_some || observed == 0 || far) {
            let record = RecordObserved { event_index: told };
            let _ = tenure.carry_out([Kind::RecordObserved(record)], report).await;
        }
    }
}

/// Up to where observers were told. The first ones of a fleet begin with what comes after the present session
/// and configuration.
fn beginning(fleet: &FleetState) -> u64 {
    let observed = fleet.observed_event_index();
    if observed > 0 {
        return observed;
    }
    let starts = [EventKind::SessionOpened.as_str(), EventKind::FleetSpecApplied.as_str()];
    let all = fleet.events_since(0, usize::MAX);
    let last = all.filter(|event| starts.contains(&event.kind.as_str())).last();
    last.map_or(0, |event| event.index)
}

async fn tell(tenure: Tenure, listener: Listener, change: Arc<Change>) -> Result<(), NotifyError> {
    tenure.confirm().map_err(|doubt| NotifyError::Failed(doubt.to_string()))?;
    listener.tell(change, tenure.ledger().clock().clone()).await
}

#[async_trait]
impl Controller for Observation {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState, _: u64) -> Duration {
        if self.feeds.iter().any(Feed::waits) { BUSY_PERIOD } else { IDLE_PERIOD }
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &["node-health-changed", "node-uncordoned", "instance-failed", "fleet-spec-applied"]
    }

    fn works_while_adopting(&self) -> bool {
        true
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let fleet = tenure.view().fleet;
        let clock = tenure.ledger().clock().clone();
        let until = clock.now() + PATIENCE;
        self.open(&fleet, &mut report);
        if fleet.observed_event_index() == 0 {
            self.record(tenure, false, &mut report).await;
        }
        self.read(&fleet, &mut report);
        self.begin(tenure);
        let mut told_some = false;
        while let Some((lane, answer)) = self.calls.next(&clock, until).await {
            told_some = true;
            self.conclude(&lane, answer, clock.now(), &mut report);
            self.begin(tenure);
        }
        self.record(tenure, told_some, &mut report).await;
        report
    }
}

#[cfg(test)]
#[path = "observation_test.rs"]
mod tests;
