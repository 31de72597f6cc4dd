use std::collections::HashMap;

use navarch_proto::{
    api::{DecidingEvent, HealthCheckResult, HealthEvent, HealthStatus},
    fleet::HealthFinding,
};

use super::{
    event, history,
    verdict::{one_line, severity},
};

/// The name of the check result that a report's events come to.
pub const CHECK_NAME: &str = "cel_policy";

/// The check or the rule that is worst so far.
pub(super) struct Decider {
    pub(super) status: HealthStatus,
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) event: Option<DecidingEvent>,
}

impl Decider {
    /// A rule, or none of them, on an event.
    pub(super) fn of_event(event: &HealthEvent, rule: Option<&str>, status: HealthStatus) -> Self {
        let decided = match (rule, status) {
            (Some(rule), _) => format!("rule {rule}"),
            (None, HealthStatus::Degraded) => "no rule of the policy could be evaluated".to_owned(),
            (None, _) => "no rule matched".to_owned(),
        };
        Self {
            status,
            name: rule.map(str::to_owned).unwrap_or_default(),
            reason: one_line(&format!("{decided}{}", describe(event))),
            event: Some(DecidingEvent {
                event_type: event.event_type,
                code: history::code(event),
                gpu_index: event.gpu_index,
                gpu_uuid: one_line(&event.gpu_uuid),
                message: one_line(&event.message),
                timestamp: event.timestamp,
                reported_at: None,
            }),
        }
    }

    /// The check results that are unhealthy.
    pub(super) fn unhealthy_checks(results: &[HealthCheckResult]) -> impl Iterator<Item = Self> {
        let unhealthy = results.iter().filter(|result| result.status() == HealthStatus::Unhealthy);
        unhealthy.map(Self::of_check)
    }

    fn of_check(result: &HealthCheckResult) -> Self {
        Self {
            status: result.status(),
            name: one_line(&result.check_name),
            reason: one_line(&result.message),
            event: None,
        }
    }

    /// As the log has it.
    pub(super) fn into_finding(self) -> HealthFinding {
        HealthFinding { rule: self.name, reason: self.reason, event: self.event, at_ms: 0 }
    }

    /// The worst of check results.
    pub(super) fn of_checks(results: &[HealthCheckResult]) -> Option<Self> {
        let mut worst: Option<&HealthCheckResult> = None;
        for result in results {
            let worse =
                |worst: &HealthCheckResult| severity(result.status()) > severity(worst.status());
            if worst.is_none_or(worse) {
                worst = Some(result);
            }
        }
        worst.map(Self::of_check)
    }

    /// The events' share of the report as one more check result, dated by the last of them.
    pub(super) fn into_result(self, events: &[HealthEvent]) -> HealthCheckResult {
        let times = events.iter().filter_map(|event| event.timestamp);
        let details = match self.name.is_empty() {
            true => HashMap::new(),
            false => HashMap::from([("rule".to_owned(), self.name)]),
        };
        HealthCheckResult {
            check_name: CHECK_NAME.to_owned(),
            status: self.status.into(),
            message: self.reason,
            timestamp: times.max_by_key(|time| (time.seconds, time.nanos)),
            details,
        }
    }
}

/// `, GPU 3, xid: GPU has fallen off the bus`
pub(super) fn describe(event: &HealthEvent) -> String {
    let kind = event::type_name(event.event_type());
    let place = match event.gpu_index {
        index if index < 0 => String::new(),
        index => format!(", GPU {index}"),
    };
    let message = match event.message.as_str() {
        "" => String::new(),
        message => format!(": {message}"),
    };
    format!("{place}, {kind}{message}")
}
