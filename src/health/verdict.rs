use std::sync::Arc;

use navarch_fleet::{FleetState, Node, RememberedEvent, RuleRemarkKey};
use navarch_proto::{
    api::{DecidingEvent, HealthCheckResult, HealthStatus},
    fleet::{HealthFinding, RecordVerdict, ReportedEvent, RuleRemark, RuleRemarkKind},
};

/// What a health report means.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Worst of `checks` and `events`; unknown for a report that says nothing.
    pub overall: HealthStatus,
    /// Worst of the check results; unknown if there are none.
    pub checks: HealthStatus,
    /// Worst of the policy over the events; unknown if there are none.
    pub events: HealthStatus,
    /// The rule or the check that decided; empty if nothing is wrong.
    pub rule: String,
    /// Why, in one line of at most 512 bytes; empty if nothing is wrong.
    pub reason: String,
    /// The event that a rule decided on; none: a check decided, or nothing is wrong.
    pub event: Option<DecidingEvent>,
    /// The other rules and checks by which the report is unhealthy, each once and at most
    /// [`MAX_FINDINGS`](navarch_fleet::limits::MAX_FINDINGS).
    pub also: Vec<HealthFinding>,
    /// The result named `cel_policy` that the events come to; none without events.
    pub policy_result: Option<HealthCheckResult>,
    /// Rules that could not be evaluated, each once.
    pub failures: Vec<RuleFailure>,
    /// Rules on trial that matched, each once.
    pub shadowed: Vec<ShadowedRule>,
    /// The report's events that the node's history does not have yet.
    pub reported: Vec<RememberedEvent>,
    /// The revision of the policy that judged.
    pub policy_revision: u64,
    /// The revision of the node's history that rules looked at; none: none of them did.
    pub history_revision: Option<u64>,
}

impl Verdict {
    /// The proposal that enters the verdict on a report of `node`; `request_id` as the report came.
    pub fn proposal(self, fleet: &FleetState, node: &Node, request_id: String) -> RecordVerdict {
        let remarks = self.remarks(fleet, node);
        RecordVerdict {
            node_id: node.id.as_str().to_owned(),
            verdict: self.overall.into(),
            checks: self.checks.into(),
            events: self.events.into(),
            rule: self.rule,
            reason: self.reason,
            policy_revision: self.policy_revision,
            node_incarnation: node.incarnation,
            request_id,
            reported_events: self.reported.iter().map(to_message).collect(),
            history_revision: self.history_revision,
            remarks,
            deciding_event: self.event,
            also_found: self.also,
        }
    }

    /// What is to be said of rules that decided nothing, unless the journal has it already.
    fn remarks(&self, fleet: &FleetState, node: &Node) -> Vec<RuleRemark> {
        let failed = self.failures.iter().map(|failure| {
            let text = format!("could not be evaluated: {}", failure.error);
            (RuleRemarkKind::Failed, failure.rule.as_str(), text)
        });
        let shadowed = self.shadowed.iter().map(|shadowed| {
            let result = status_word(shadowed.result);
            let text =
                format!("rule {} on trial would say {result}: {}", shadowed.rule, shadowed.event);
            (RuleRemarkKind::Shadowed, shadowed.rule.as_str(), text)
        });
        let is_news = |kind: RuleRemarkKind, rule: &str| {
            let node_id = match kind {
                RuleRemarkKind::Failed | RuleRemarkKind::Unspecified => Arc::default(),
                RuleRemarkKind::Shadowed => Arc::from(node.id.as_str()),
            };
            let key = RuleRemarkKey { kind, rule: Arc::from(rule), node_id };
            !fleet.has_rule_remark(&key, fleet.log_time())
        };
        failed
            .chain(shadowed)
            .filter(|(kind, rule, _)| is_news(*kind, rule))
            .map(|(kind, rule, text)| RuleRemark { kind: kind.into(), rule: rule.to_owned(), text })
            .collect()
    }
}

fn to_message(event: &RememberedEvent) -> ReportedEvent {
    ReportedEvent {
        identity: event.identity,
        kind: event.kind.into(),
        code: event.code,
        gpu_index: event.gpu_index,
    }
}

/// A rule on trial that matched some events of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowedRule {
    /// The rule's name.
    pub rule: String,
    /// What it would have said.
    pub result: HealthStatus,
    /// Of what, in one line of at most 512 bytes: the first of them.
    pub event: String,
    /// Of how many events of the report.
    pub events: usize,
}

/// How people call a status.
pub(crate) fn status_word(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Unknown => "unknown",
        HealthStatus::Healthy => "healthy",
        HealthStatus::Degraded => "degraded",
        HealthStatus::Unhealthy => "unhealthy",
    }
}

/// A rule that could not be evaluated for some events of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFailure {
    /// The rule's name.
    pub rule: String,
    /// What the first of them met, in one line of at most 512 bytes.
    pub error: String,
    /// For how many events of the report.
    pub events: usize,
}

/// Bytes of a reason or an error: they enter the log.
const MAX_LINE: usize = 512;

/// A text on one line of bounded length.
pub(super) fn one_line(text: &str) -> String {
    let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut line = String::with_capacity(text.len().min(MAX_LINE));
    for letter in text.chars().map(clean) {
        if line.len() + letter.len_utf8() > MAX_LINE - '\u{2026}'.len_utf8() {
            line.push('\u{2026}');
            break;
        }
        line.push(letter);
    }
    line
}

/// How bad a status is; the enum's numbers are the contract's, and happen to rise with it.
pub(super) fn severity(status: HealthStatus) -> u8 {
    match status {
        HealthStatus::Unknown => 0,
        HealthStatus::Healthy => 1,
        HealthStatus::Degraded => 2,
        HealthStatus::Unhealthy => 3,
    }
}

/// The worse of two.
pub(super) fn worse(left: HealthStatus, right: HealthStatus) -> HealthStatus {
    match severity(left) >= severity(right) {
        true => left,
        false => right,
    }
}
