use navarch_fleet::limits::MAX_FINDINGS;
use navarch_proto::{
    api::{HealthStatus, ReportHealthRequest},
    fleet::HealthFinding,
};

use super::{
    JudgeError, Past, Policy, Verdict, bounds,
    decider::Decider,
    evaluation::Evaluation,
    history::History,
    verdict::{severity, worse},
};

/// The judging of one report, event by event, so that whoever judges can let others have their turn in between.
pub(super) struct Judging<'a> {
    policy: &'a Policy,
    report: &'a ReportHealthRequest,
    past: Past<'a>,
    history: History<'a>,
    evaluation: Evaluation,
    /// The position of the next event.
    next: usize,
}

impl<'a> Judging<'a> {
    /// Begins with a report, or refuses one beyond the bounds.
    pub(super) fn begin(
        policy: &'a Policy,
        report: &'a ReportHealthRequest,
        past: Past<'a>,
    ) -> Result<Self, JudgeError> {
        bounds::check(report)?;
        let (history, evaluation) = (History::new(past), Evaluation::default());
        Ok(Self { policy, report, past, history, evaluation, next: 0 })
    }

    /// Judges the next event, after what came before it; false: there is none.
    pub(super) fn step(&mut self) -> bool {
        let Some(event) = self.report.events.get(self.next) else { return false };
        let present = self.history.join(self.next, event);
        self.evaluation.judge(self.policy, event, (&self.history, present));
        self.next += 1;
        true
    }

    /// What the check results and the events that were judged come to.
    pub(super) fn verdict(self) -> Verdict {
        let Self { policy, report, past, history, evaluation, next: _ } = self;
        let check = Decider::of_checks(&report.results);
        let Evaluation { worst: event, also, failures, shadowed } = evaluation;
        let checks = check.as_ref().map_or(HealthStatus::Unknown, |check| check.status);
        let events = event.as_ref().map_or(HealthStatus::Unknown, |event| event.status);
        let overall = worse(checks, events);
        let decider = match severity(events) >= severity(checks) {
            true => event.as_ref(),
            false => check.as_ref(),
        };
        let decider = decider.filter(|_| severity(overall) > severity(HealthStatus::Healthy));
        let rule = decider.map(|decider| decider.name.clone()).unwrap_or_default();
        let checked = Decider::unhealthy_checks(&report.results);
        let saw = past.history.map_or(0, |history| history.revision);
        Verdict {
            overall,
            checks,
            events,
            also: others(&rule, also.into_iter().chain(checked)),
            rule,
            reason: decider.map(|decider| decider.reason.clone()).unwrap_or_default(),
            event: decider.and_then(|decider| decider.event.clone()),
            policy_result: event.map(|event| event.into_result(&report.events)),
            failures,
            shadowed,
            reported: history.into_fresh(),
            policy_revision: policy.revision(),
            history_revision: (policy.looks_back() && !report.events.is_empty()).then_some(saw),
        }
    }
}

/// Each of them once, but for the one that decided.
fn others(decided: &str, unhealthy: impl Iterator<Item = Decider>) -> Vec<HealthFinding> {
    let mut others: Vec<HealthFinding> = Vec::new();
    for decider in unhealthy {
        let is_known = decider.name == decided || others.iter().any(|one| one.rule == decider.name);
        if !is_known && others.len() < MAX_FINDINGS {
            others.push(decider.into_finding());
        }
    }
    others
}
