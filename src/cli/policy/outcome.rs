use std::time::Duration;

use navarch_proto::api::{HealthEvent, HealthStatus};
use serde_json::{Value, json};

use crate::{
    cli::{
        choices::short,
        failure::Failure,
        output::{Cell, Column, Screen, Tone, message_value, render},
    },
    health::{RuleFailure, Verdict, status_word},
};

const COLUMNS: [Column; 7] = [
    Column::always("Event"),
    Column::always("Metrics"),
    Column::always("GPU"),
    Column::always("Rule"),
    Column::always("Result"),
    Column::always("On trial"),
    Column::always("Time"),
];

/// What a policy made of one event.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) label: &'static str,
    pub(super) event: HealthEvent,
    pub(super) verdict: Verdict,
    /// The mean of many evaluations.
    pub(super) took: Duration,
}

impl Outcome {
    /// The rule that decided, be it for healthy; empty: none did.
    pub(super) fn rule(&self) -> &str {
        let result = self.verdict.policy_result.as_ref();
        result.and_then(|result| result.details.get("rule")).map_or("", String::as_str)
    }

    /// Rules that could not be evaluated.
    pub(super) fn failures(&self) -> &[RuleFailure] {
        &self.verdict.failures
    }

    fn micros(&self) -> f64 {
        (self.took.as_secs_f64() * 1e9).round() / 1e3
    }

    /// For programs.
    pub(super) fn value(&self) -> Result<Value, Failure> {
        let shadowed = self
            .verdict
            .shadowed
            .iter()
            .map(|one| json!({ "rule": one.rule, "result": one.result.as_str_name() }));
        let failures =
            self.failures().iter().map(|one| json!({ "rule": one.rule, "error": one.error }));
        Ok(json!({
            "event": message_value("navarch.HealthEvent", &self.event)?,
            "result": self.verdict.events.as_str_name(),
            "rule": self.rule(),
            "reason": self.verdict.reason,
            "shadowed": shadowed.collect::<Vec<_>>(),
            "failures": failures.collect::<Vec<_>>(),
            "time_us": self.micros(),
        }))
    }

    fn cells(&self) -> Vec<Cell> {
        let kind = short(self.event.event_type().as_str_name(), "HEALTH_EVENT_TYPE");
        let event = match self.label {
            "" => kind,
            label => format!("{kind}: {label}"),
        };
        let mut metrics: Vec<String> =
            self.event.metrics.iter().map(|(name, value)| format!("{name}={value}")).collect();
        metrics.sort_unstable();
        let shadowed: Vec<String> = self
            .verdict
            .shadowed
            .iter()
            .map(|one| format!("{}: {}", one.rule, status_word(one.result)))
            .collect();
        let rule = if self.rule().is_empty() { "-" } else { self.rule() };
        vec![
            event.into(),
            metrics.join(" ").into(),
            self.event.gpu_index.to_string().into(),
            rule.into(),
            result(self.verdict.events),
            shadowed.join(", ").into(),
            format!("{:.1} us", self.micros()).into(),
        ]
    }
}

fn result(status: HealthStatus) -> Cell {
    let tone = match status {
        HealthStatus::Healthy => Tone::Good,
        HealthStatus::Degraded => Tone::Doubtful,
        HealthStatus::Unhealthy => Tone::Bad,
        HealthStatus::Unknown => Tone::Plain,
    };
    Cell::toned(status_word(status), tone)
}

/// All of them.
pub(super) fn table(outcomes: &[Outcome], screen: Screen) -> String {
    let rows: Vec<Vec<Cell>> = outcomes.iter().map(Outcome::cells).collect();
    render(&COLUMNS, &rows, true, screen)
}
