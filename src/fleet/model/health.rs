use std::sync::Arc;

use navarch_proto::{
    api::{DecidingEvent, HealthStatus},
    fleet,
};

use crate::{
    limits::{MAX_EVENT_MESSAGE_BYTES, MAX_FINDINGS, MAX_ID_BYTES, MAX_REASON_BYTES},
    text::{cut, stored},
    time::LogTime,
};

/// What a node's health reports say, and whether an unhealthy one still stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The last report's verdict; unknown before the first one and after the latch was cleared.
    pub verdict: HealthStatus,
    /// An unhealthy verdict stands until an operator clears it or the machine is replaced.
    pub latched: bool,
    /// The rule or the check that decided: of the verdict that latched, else of the last one.
    pub rule: Arc<str>,
    /// What that rule said.
    pub reason: Arc<str>,
    /// The event that the rule decided on, when it first did; none: a check decided.
    pub event: Option<Arc<DecidingEvent>>,
    /// The other rules and checks that found it unhealthy while it was latched, in the order in which they did.
    pub also: Arc<[HealthFinding]>,
    /// Unhealthy reports in a row. After an unhealthy event verdict every report counts, because an event
    /// is sent once; otherwise a report with checks, and not unhealthy, sets it back to 0.
    pub unhealthy_reports: u32,
    /// When the first unhealthy event verdict since the last clearing came; none: no such.
    pub unhealthy_event_at: Option<LogTime>,
    /// When the verdict came that stands; none: none does.
    pub latched_at: Option<LogTime>,
}

/// An unhealthy verdict of one rule or check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthFinding {
    /// Which one.
    pub rule: Arc<str>,
    /// What it said first.
    pub reason: Arc<str>,
    /// The event that it first decided on; none: it is a check.
    pub event: Option<Arc<DecidingEvent>>,
    /// When it first did.
    pub at: LogTime,
}

/// A judged health report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    /// Worst of the check results.
    pub(crate) checks: HealthStatus,
    /// Worst of the policy over the events.
    pub(crate) events: HealthStatus,
    /// Worst of everything.
    pub(crate) verdict: HealthStatus,
    pub(crate) rule: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) event: Option<&'a DecidingEvent>,
    /// The other rules and checks by which it is unhealthy.
    pub(crate) also: &'a [fleet::HealthFinding],
}

impl Health {
    /// What a report makes of it.
    pub(crate) fn after(&self, report: Report<'_>, now: LogTime) -> Self {
        let verdict = report.verdict.max(report.checks).max(report.events);
        let mut next = self.clone();
        if report.events == HealthStatus::Unhealthy && next.unhealthy_event_at.is_none() {
            next.unhealthy_event_at = Some(now);
        }
        let counts = verdict == HealthStatus::Unhealthy || next.unhealthy_event_at.is_some();
        next.unhealthy_reports = if counts {
            self.unhealthy_reports.saturating_add(1)
        } else if report.checks == HealthStatus::Unknown {
            // Events come apart from the checks, and say nothing of those that failed.
            self.unhealthy_reports
        } else {
            0
        };
        // A report that judged nothing leaves the verdict as it is.
        if verdict != HealthStatus::Unknown {
            next.verdict = verdict;
        }
        let unhealthy = verdict == HealthStatus::Unhealthy;
        // What took the node out stays named, so that whoever clears a rule's verdicts finds it.
        if !self.latched && verdict != HealthStatus::Unknown {
            next.latched = unhealthy;
            next.latched_at = unhealthy.then_some(now);
            next.rule = stored(report.rule, MAX_REASON_BYTES);
            next.reason = stored(report.reason, MAX_REASON_BYTES);
            // Reported again and again it is the same news, and no change of the record.
            if unhealthy || (&next.rule, &next.reason) != (&self.rule, &self.reason) {
                next.event = report.event.map(|event| Arc::new(kept(event, now)));
            }
        }
        if unhealthy {
            next.join(report, now);
        }
        next
    }

    /// Notes by which rules and checks a report is unhealthy that have not been found before.
    fn join(&mut self, report: Report<'_>, now: LogTime) {
        let others = report.also.iter();
        let others = others.map(|one| (one.rule.as_str(), one.reason.as_str(), one.event.as_ref()));
        for (rule, reason, event) in
            [(report.rule, report.reason, report.event)].into_iter().chain(others)
        {
            if self.is_found_by(rule) || self.also.len() == MAX_FINDINGS {
                continue;
            }
            let finding = HealthFinding {
                rule: stored(rule, MAX_REASON_BYTES),
                reason: stored(reason, MAX_REASON_BYTES),
                event: event.map(|event| Arc::new(kept(event, now))),
                at: now,
            };
            self.also = self.also.iter().cloned().chain([finding]).collect();
        }
    }

    /// The rules and checks by which an unhealthy verdict stands, in the order in which they decided; none: none does.
    pub fn standing_rules(&self) -> impl Iterator<Item = &Arc<str>> {
        let first = self.latched.then_some(&self.rule);
        first.into_iter().chain(self.also.iter().map(|finding| &finding.rule))
    }

    /// Whether an unhealthy verdict stands by that rule or check.
    pub fn is_found_by(&self, rule: &str) -> bool {
        let rule = cut(rule, MAX_REASON_BYTES);
        self.standing_rules().any(|standing| **standing == *rule)
    }

    /// The rules and checks beside the first, on one line.
    pub(crate) fn also_line(&self) -> String {
        self.also.iter().map(|finding| &*finding.rule).collect::<Vec<_>>().join(", ")
    }

    /// What an operator's clearing makes of it: nobody has judged the node since.
    pub(crate) fn cleared() -> Self {
        Self::default()
    }

    /// What is left once the verdict of one rule or check is cleared. If no event that was found before is left, what
    /// waits for more reports, or for time after an event, begins anew.
    pub(crate) fn cleared_of(&self, rule: &str) -> Self {
        let rule = cut(rule, MAX_REASON_BYTES);
        let mut next = self.clone();
        next.also = self.also.iter().filter(|finding| *finding.rule != *rule).cloned().collect();
        if *self.rule == *rule {
            let Some((first, others)) = next.also.split_first() else { return Self::cleared() };
            let (first, others) = (first.clone(), others.into());
            next.rule = first.rule;
            next.reason = first.reason;
            next.event = first.event;
            next.latched_at = Some(first.at);
            next.also = others;
        }
        let events = next.also.iter().filter(|finding| finding.event.is_some());
        let first = next.event.is_some().then_some(next.latched_at.or(self.unhealthy_event_at));
        next.unhealthy_event_at = events.map(|finding| finding.at).chain(first.flatten()).min();
        if next.unhealthy_event_at != self.unhealthy_event_at {
            let is_unhealthy =
                next.unhealthy_event_at.is_some() || self.verdict == HealthStatus::Unhealthy;
            next.unhealthy_reports = u32::from(is_unhealthy);
        }
        next
    }
}

/// An event as the record keeps it.
fn kept(event: &DecidingEvent, now: LogTime) -> DecidingEvent {
    DecidingEvent {
        event_type: event.event_type,
        code: event.code,
        gpu_index: event.gpu_index,
        gpu_uuid: cut(&event.gpu_uuid, MAX_ID_BYTES).to_owned(),
        message: cut(&event.message, MAX_EVENT_MESSAGE_BYTES).to_owned(),
        timestamp: event.timestamp,
        reported_at: Some(now.to_timestamp()),
    }
}

/// How events and messages name a verdict.
pub(crate) fn verdict_word(verdict: HealthStatus) -> &'static str {
    match verdict {
        HealthStatus::Unknown => "unknown",
        HealthStatus::Healthy => "healthy",
        HealthStatus::Degraded => "degraded",
        HealthStatus::Unhealthy => "unhealthy",
    }
}

#[cfg(test)]
#[path = "health_test.rs"]
mod tests;
