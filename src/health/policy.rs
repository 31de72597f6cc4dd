use std::{collections::HashMap, fmt, sync::Arc};

use cel::{Context, Env, Program, Value};
use navarch_host::with_deep_stack;
use navarch_proto::api::{HealthCheckResult, HealthEvent, HealthStatus, ReportHealthRequest};

use super::{
    condition,
    error::{JudgeError, PolicyError},
    event, file,
    patterns::Patterns,
    verdict::{RuleFailure, Verdict, one_line, severity, worse},
};
use crate::config::Report;

/// The name of the check result that a report's events come to.
pub const CHECK_NAME: &str = "cel_policy";

/// The policy that holds where none is configured.
const BUILT_IN: &str = include_str!("built_in.yaml");

/// Stack of the compiling thread: the parser recurses as deep as a condition is nested.
const COMPILER_STACK: usize = 64 << 20;
/// Events of one report.
const MAX_EVENTS: usize = 10_000;
/// Check results of one report.
const MAX_RESULTS: usize = 10_000;
/// Metrics of one event.
const MAX_METRICS: usize = 256;
/// Bytes of one event's texts, its metrics included.
const MAX_EVENT: usize = 64 * 1024;

/// A compiled health policy. Cheap to share, never changes.
pub struct Policy {
    name: String,
    revision: u64,
    rules: Vec<Rule>,
    environment: Arc<Env>,
    patterns: Arc<Patterns>,
}

struct Rule {
    name: String,
    program: Program,
    result: HealthStatus,
}

impl fmt::Debug for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, revision, rules) = (&self.name, self.revision, self.rules.len());
        write!(formatter, "Policy({name}, revision {revision}, {rules} rules)")
    }
}

impl Policy {
    /// Compiles a policy file's text; an empty one stands for the built-in policy. Blocks for
    /// milliseconds on a thread with a deep stack. `revision` is the fleet state's, and comes back
    /// in every verdict.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], with every problem found, the rule it is in and its place.
    pub fn compile(yaml: &str, revision: u64) -> Result<Self, PolicyError> {
        Self::compile_file("health policy", yaml, revision)
    }

    /// [`compile`](Self::compile) for a file whose name is known, for messages.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile).
    pub fn compile_file(file_name: &str, yaml: &str, revision: u64) -> Result<Self, PolicyError> {
        let (file_name, text) = match yaml {
            "" => ("built-in policy", BUILT_IN),
            text => (file_name, text),
        };
        let compile = || Self::compile_here(file_name, text, revision);
        with_deep_stack("policy-compiler", COMPILER_STACK, compile)?
    }

    fn compile_here(file_name: &str, text: &str, revision: u64) -> Result<Self, PolicyError> {
        let report = Report::new(file_name, text);
        let Some(file) = file::read(&report, text) else {
            return Err(report.refuse().into());
        };
        let environment = condition::environment();
        let mut patterns = Patterns::default();
        let rules = file.rules.into_iter().filter_map(|rule| {
            let program = condition::compile(&environment, &report, &rule, &mut patterns)?;
            Some(Rule { name: rule.name, program, result: rule.result })
        });
        let rules = rules.collect();
        report.finish()?;
        Ok(Self {
            name: file.name,
            revision,
            rules,
            environment: Arc::new(environment),
            patterns: Arc::new(patterns),
        })
    }

    /// `metadata.name` of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The revision it was compiled for.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The rules' names, in their order.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// Judges a report: its check results as they are, its events by the rules. An empty result is
    /// unknown.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] for a report beyond the bounds; nothing of it has been judged.
    pub fn judge(&self, report: &ReportHealthRequest) -> Result<Verdict, JudgeError> {
        check_bounds(report)?;
        let check = worst_check(&report.results);
        let mut failures = Failures::default();
        let event = self.worst_event(&report.events, &mut failures);
        let checks = check.as_ref().map_or(HealthStatus::Unknown, |check| check.status);
        let events = event.as_ref().map_or(HealthStatus::Unknown, |event| event.status);
        let overall = worse(checks, events);
        let decider = match severity(events) >= severity(checks) {
            true => event.as_ref(),
            false => check.as_ref(),
        };
        let decider = decider.filter(|_| severity(overall) > severity(HealthStatus::Healthy));
        Ok(Verdict {
            overall,
            checks,
            events,
            rule: decider.map(|decider| decider.name.clone()).unwrap_or_default(),
            reason: decider.map(|decider| decider.reason.clone()).unwrap_or_default(),
            policy_result: event.map(|event| event.into_result(&report.events)),
            failures: failures.0,
            policy_revision: self.revision,
        })
    }

    fn worst_event(&self, events: &[HealthEvent], failures: &mut Failures) -> Option<Decider> {
        let mut worst: Option<Decider> = None;
        for event in events {
            let (status, rule) = self.evaluate(event, failures);
            if worst.as_ref().is_none_or(|worst| severity(status) > severity(worst.status)) {
                worst = Some(Decider {
                    status,
                    name: rule.map(str::to_owned).unwrap_or_default(),
                    reason: describe(event, rule, status),
                });
            }
        }
        worst
    }

    /// The result of the first rule that matches, and its name.
    fn evaluate(
        &self,
        event: &HealthEvent,
        failures: &mut Failures,
    ) -> (HealthStatus, Option<&str>) {
        let mut context = Context::with_env(Arc::clone(&self.environment));
        context.add_variable_as_val("event", event::to_map(event));
        if let Err(error) = self.patterns.provide(&mut context) {
            tracing::error!(error, "rules that use `matches` cannot be evaluated");
        }
        let mut evaluated = false;
        for rule in &self.rules {
            match rule.program.execute(&context) {
                Ok(Value::Bool(true)) => return (rule.result, Some(&rule.name)),
                Ok(Value::Bool(false)) => evaluated = true,
                Ok(other) => {
                    let kind = other.type_of();
                    failures
                        .add(&rule.name, || format!("the condition is a {kind}, not a boolean"));
                }
                Err(error) => failures.add(&rule.name, || error.to_string()),
            }
        }
        match evaluated {
            true => (HealthStatus::Healthy, None),
            false => (HealthStatus::Degraded, None),
        }
    }
}

/// Failures by rule, in the order in which rules first failed.
#[derive(Default)]
struct Failures(Vec<RuleFailure>);

impl Failures {
    fn add(&mut self, rule: &str, error: impl FnOnce() -> String) {
        match self.0.iter_mut().find(|failure| failure.rule == rule) {
            Some(failure) => failure.events += 1,
            None => self.0.push(RuleFailure {
                rule: rule.to_owned(),
                error: one_line(&error()),
                events: 1,
            }),
        }
    }
}

/// The check or the rule that is worst so far.
struct Decider {
    status: HealthStatus,
    name: String,
    reason: String,
}

impl Decider {
    /// The events' share of the report as one more check result, dated by the last of them.
    fn into_result(self, events: &[HealthEvent]) -> HealthCheckResult {
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

fn worst_check(results: &[HealthCheckResult]) -> Option<Decider> {
    let mut worst: Option<&HealthCheckResult> = None;
    for result in results {
        let worse =
            |worst: &HealthCheckResult| severity(result.status()) > severity(worst.status());
        if worst.is_none_or(worse) {
            worst = Some(result);
        }
    }
    worst.map(|result| Decider {
        status: result.status(),
        name: one_line(&result.check_name),
        reason: one_line(&result.message),
    })
}

/// `rule fatal-xid, GPU 3, xid: GPU has fallen off the bus`
fn describe(event: &HealthEvent, rule: Option<&str>, status: HealthStatus) -> String {
    let decided = match (rule, status) {
        (Some(rule), _) => format!("rule {rule}"),
        (None, HealthStatus::Degraded) => "no rule of the policy could be evaluated".to_owned(),
        (None, _) => "no rule matched".to_owned(),
    };
    let kind = event::type_name(event.event_type());
    let place = match event.gpu_index {
        index if index < 0 => String::new(),
        index => format!(", GPU {index}"),
    };
    let message = match event.message.as_str() {
        "" => String::new(),
        message => format!(": {message}"),
    };
    one_line(&format!("{decided}{place}, {kind}{message}"))
}

fn check_bounds(report: &ReportHealthRequest) -> Result<(), JudgeError> {
    let count = report.events.len();
    if count > MAX_EVENTS {
        let limit = MAX_EVENTS;
        return Err(JudgeError::TooManyEvents { count, limit });
    }
    let count = report.results.len();
    if count > MAX_RESULTS {
        let limit = MAX_RESULTS;
        return Err(JudgeError::TooManyResults { count, limit });
    }
    for (position, event) in report.events.iter().enumerate() {
        let count = event.metrics.len();
        if count > MAX_METRICS {
            let limit = MAX_METRICS;
            return Err(JudgeError::TooManyMetrics { position, count, limit });
        }
        let metrics = event.metrics.iter().map(|(name, value)| name.len() + value.len());
        let bytes = event.message.len() + event.gpu_uuid.len() + metrics.sum::<usize>();
        if bytes > MAX_EVENT {
            let limit = MAX_EVENT;
            return Err(JudgeError::EventTooLarge { position, bytes, limit });
        }
    }
    Ok(())
}
