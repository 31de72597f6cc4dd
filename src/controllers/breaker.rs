use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{
    Breaker as Record, BreakerCounts, BreakerKey, BreakerScope, FleetState, LogTime,
};
use navarch_proto::fleet::{self, BreakerForce, OverrideBreaker, RecordBreaker, proposal::Kind};

use super::{
    BUSY_PERIOD, IDLE_PERIOD,
    absences::Absences,
    shares::{FEW, Judgement, Shares},
    silence::{Heard, Hearing},
};
use crate::{
    leader::{Controller, Report, Tenure},
    liveness::{self, Liveness},
};

const NAME: &str = "breaker";

/// Opens breakers where too many nodes are in trouble at once, closes them after a window of calm, and ends overrides
/// whose time is over. What it decides is in the log, so that a change of leader neither opens nor closes anything.
pub(super) struct Breaker {
    liveness: Arc<Liveness>,
    absences: Absences,
    /// The last pass found more than a few nodes in trouble.
    troubled: bool,
}

impl Breaker {
    pub(super) fn new(liveness: Arc<Liveness>, absences: Absences) -> Self {
        Self { liveness, absences, troubled: false }
    }

    fn plan(&mut self, fleet: &FleetState, now_ms: u64) -> Vec<Kind> {
        self.troubled = self.may_be_troubled(fleet, now_ms);
        if !self.troubled && !under_way(fleet) {
            return Vec::new();
        }
        let hearing = Hearing::new(fleet, (&self.liveness, &self.absences), now_ms);
        let heard: Vec<Heard<'_>> = hearing.nodes().collect();
        let shares = Shares::of(fleet, &heard, now_ms);
        let mut judged: Vec<(BreakerKey, Judgement)> =
            shares.groups().map(|group| (group.key.clone(), shares.judge(group))).collect();
        // A group whose last node is gone has nobody in trouble.
        for (key, _) in fleet.breakers() {
            if !judged.iter().any(|(known, _)| known == key) {
                judged.push((key.clone(), NOBODY));
            }
        }
        judged.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        let look = Look { fleet, can_judge: hearing.can_judge(), now: LogTime::from_ms(now_ms) };
        judged.iter().filter_map(|(key, judgement)| look.step(key, *judgement)).collect()
    }

    /// Whether there can be more than a few nodes in trouble: a fleet that is well is not walked.
    fn may_be_troubled(&self, fleet: &FleetState, now_ms: u64) -> bool {
        let usual_ms = liveness::interval_hint_ms(fleet.settings(), fleet.node_count());
        let silent =
            fleet.node_count().saturating_sub(self.liveness.heard_lately(now_ms, usual_ms));
        let unhealthy = fleet.nodes_wanting_attention().filter(|node| node.stands_unhealthy());
        silent + self.absences.count() + unhealthy.take(FEW + 1).count() > FEW
    }
}

/// What is seen of a group without nodes.
const NOBODY: Judgement = Judgement {
    mass: false,
    calm: true,
    counts: BreakerCounts { lost: 0, silent: 0, unhealthy: 0, size: 0 },
};

/// Whether any breaker waits for calm or for the end of an override.
fn under_way(fleet: &FleetState) -> bool {
    fleet.breakers().any(|(_, breaker)| breaker.opening.is_some() || breaker.forced.is_some())
}

/// One look at all breakers.
struct Look<'a> {
    fleet: &'a FleetState,
    /// Before, silence cannot be told from a leader that has just begun to listen.
    can_judge: bool,
    now: LogTime,
}

impl Look<'_> {
    fn step(&self, key: &BreakerKey, seen: Judgement) -> Option<Kind> {
        let none = Record::default();
        let breaker = self.fleet.breaker(key).map_or(&none, |breaker| breaker);
        if breaker.force(self.now).is_some() {
            return None;
        }
        if breaker.forced.is_some() {
            return Some(ran_out(key, breaker));
        }
        let Some(opening) = &breaker.opening else {
            return seen
                .mass
                .then(|| record(key, breaker, (true, None), self.opened(key, seen.counts), seen));
        };
        if !self.can_judge {
            return None;
        }
        let window_ms = self.fleet.settings().breaker_window_ms;
        match (seen.calm, opening.calm_since) {
            (true, Some(since)) if since.plus_ms(window_ms) <= self.now => {
                Some(record(key, breaker, (false, None), self.closed(), seen))
            }
            (true, None) => Some(record(key, breaker, (true, Some(self.now)), String::new(), seen)),
            (false, Some(_)) => Some(record(key, breaker, (true, None), String::new(), seen)),
            (true, Some(_)) | (false, None) => None,
        }
    }

    fn opened(&self, key: &BreakerKey, counts: BreakerCounts) -> String {
        let BreakerCounts { lost, silent, unhealthy, size } = counts;
        let told =
            format!("{lost} lost, {silent} silent and {unhealthy} newly unhealthy of {size} nodes");
        let percent = self.fleet.settings().breaker_open_percent;
        match key.scope {
            BreakerScope::Fleet => {
                format!("{told} are in trouble, in every zone or so that nobody beats")
            }
            BreakerScope::Pool | BreakerScope::Zone => {
                format!("{told}, more than {percent} %, are in trouble at once")
            }
        }
    }

    fn closed(&self) -> String {
        let settings = self.fleet.settings();
        format!(
            "less than {} % were in trouble for {} s; silence counts from now on",
            settings.breaker_close_percent,
            settings.breaker_window_ms / 1_000
        )
    }
}

fn record(
    key: &BreakerKey,
    breaker: &Record,
    (open, calm_since): (bool, Option<LogTime>),
    reason: String,
    seen: Judgement,
) -> Kind {
    let BreakerCounts { lost, silent, unhealthy, size } = seen.counts;
    Kind::RecordBreaker(RecordBreaker {
        scope: scope(key.scope).into(),
        name: key.name.to_string(),
        open,
        reason,
        counts: Some(fleet::BreakerCounts { lost, silent, unhealthy, size }),
        calm_since_ms: calm_since.map_or(0, LogTime::as_ms),
        breaker_revision: breaker.revision.0,
    })
}

fn ran_out(key: &BreakerKey, breaker: &Record) -> Kind {
    Kind::OverrideBreaker(OverrideBreaker {
        scope: scope(key.scope).into(),
        name: key.name.to_string(),
        force: BreakerForce::None.into(),
        duration_ms: 0,
        reason: "the override's time is over".to_owned(),
        breaker_revision: breaker.revision.0,
    })
}

fn scope(scope: BreakerScope) -> fleet::BreakerScope {
    match scope {
        BreakerScope::Fleet => fleet::BreakerScope::Fleet,
        BreakerScope::Pool => fleet::BreakerScope::Pool,
        BreakerScope::Zone => fleet::BreakerScope::Zone,
    }
}

#[async_trait]
impl Controller for Breaker {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Silence must be noticed before it becomes loss, half as long again later.
    fn period(&self, fleet: &FleetState, _: u64) -> Duration {
        if self.troubled || under_way(fleet) {
            return BUSY_PERIOD;
        }
        let half_ms = fleet.settings().heartbeat_interval_ms / 2;
        Duration::from_millis(half_ms).clamp(BUSY_PERIOD, IDLE_PERIOD)
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let fleet = tenure.view().fleet;
        let steps = self.plan(&fleet, tenure.now_ms());
        let _ = tenure.carry_out(steps, &mut report).await;
        report
    }
}

#[cfg(test)]
#[path = "breaker_test.rs"]
mod tests;
