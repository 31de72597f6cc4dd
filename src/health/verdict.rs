use navarch_fleet::Node;
use navarch_proto::{
    api::{HealthCheckResult, HealthStatus},
    fleet::RecordVerdict,
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
    /// The result named `cel_policy` that the events come to; none without events.
    pub policy_result: Option<HealthCheckResult>,
    /// Rules that could not be evaluated, each once.
    pub failures: Vec<RuleFailure>,
    /// The revision of the policy that judged.
    pub policy_revision: u64,
}

impl Verdict {
    /// The proposal that enters the verdict on a report of `node`; `request_id` as the report came.
    pub fn proposal(self, node: &Node, request_id: String) -> RecordVerdict {
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
        }
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
