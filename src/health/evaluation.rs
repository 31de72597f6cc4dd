use std::sync::Arc;

use cel::{Context, Program, Value};
use navarch_fleet::{RememberedEvent, limits::MAX_FINDINGS};
use navarch_proto::api::{HealthEvent, HealthStatus};

use super::{
    decider::{Decider, describe},
    event,
    history::{Answers, History},
    policy::Policy,
    verdict::{RuleFailure, ShadowedRule, one_line, severity},
};

/// A compiled rule.
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) program: Program,
    pub(super) result: HealthStatus,
    /// On trial: it decides nothing.
    pub(super) shadow: bool,
    /// The most that it may take on one event, in nanoseconds.
    pub(super) cost_ns: u64,
}

/// What a policy makes of the events of one report.
#[derive(Default)]
pub(super) struct Evaluation {
    /// The worst so far.
    pub(super) worst: Option<Decider>,
    /// Other rules by which events are unhealthy, each with the first of them.
    pub(super) also: Vec<Decider>,
    /// By rule, in the order in which rules first failed.
    pub(super) failures: Vec<RuleFailure>,
    /// By rule, in the order in which they first matched.
    pub(super) shadowed: Vec<ShadowedRule>,
}

impl Evaluation {
    /// Judges the next event, which has joined the history.
    pub(super) fn judge(
        &mut self,
        policy: &Policy,
        event: &HealthEvent,
        (history, present): (&History<'_>, RememberedEvent),
    ) {
        let (status, rule) = self.first_match(policy, event, (history, present));
        if self.worst.as_ref().is_none_or(|worst| severity(status) > severity(worst.status)) {
            self.worst = Some(Decider::of_event(event, rule, status));
        } else if status == HealthStatus::Unhealthy && !self.is_known(rule) {
            self.also.push(Decider::of_event(event, rule, status));
        }
    }

    /// Whether an event was unhealthy by the rule before, or by so many that one more is not told.
    fn is_known(&self, rule: Option<&str>) -> bool {
        let mut found = self.worst.iter().chain(&self.also);
        self.also.len() == MAX_FINDINGS || found.any(|one| Some(one.name.as_str()) == rule)
    }

    /// The result of the first rule that matches and is not on trial, and its name.
    fn first_match<'p>(
        &mut self,
        policy: &'p Policy,
        event: &HealthEvent,
        (history, present): (&History<'_>, RememberedEvent),
    ) -> (HealthStatus, Option<&'p str>) {
        let answers = Answers { looks: &policy.looks, history, present };
        let mut context = Context::with_env(Arc::clone(&policy.environment));
        context.add_variable_as_val("event", event::to_map(event));
        if !policy.looks.is_empty() {
            context.set_variable_resolver(&answers);
        }
        if let Err(error) = policy.patterns.provide(&mut context) {
            tracing::error!(error, "rules that use `matches` cannot be evaluated");
        }
        let (mut evaluated, mut failed) = (false, policy.unusable);
        for rule in &policy.rules {
            match rule.program.execute(&context) {
                Ok(Value::Bool(true)) if rule.shadow => self.note_shadowed(rule, event),
                Ok(Value::Bool(true)) => return (rule.result, Some(&rule.name)),
                Ok(Value::Bool(false)) => evaluated |= !rule.shadow,
                Ok(other) => {
                    failed |= !rule.shadow;
                    let kind = other.type_of();
                    self.note_failure(rule, || format!("the condition is a {kind}, not a boolean"));
                }
                Err(error) => {
                    failed |= !rule.shadow;
                    self.note_failure(rule, || error.to_string());
                }
            }
        }
        match failed && !evaluated {
            true => (HealthStatus::Degraded, None),
            false => (HealthStatus::Healthy, None),
        }
    }

    fn note_failure(&mut self, rule: &Rule, error: impl FnOnce() -> String) {
        match self.failures.iter_mut().find(|failure| failure.rule == rule.name) {
            Some(failure) => failure.events += 1,
            None => self.failures.push(RuleFailure {
                rule: rule.name.clone(),
                error: one_line(&error()),
                events: 1,
            }),
        }
    }

    fn note_shadowed(&mut self, rule: &Rule, event: &HealthEvent) {
        match self.shadowed.iter_mut().find(|shadowed| shadowed.rule == rule.name) {
            Some(shadowed) => shadowed.events += 1,
            None => self.shadowed.push(ShadowedRule {
                rule: rule.name.clone(),
                result: rule.result,
                event: one_line(describe(event).trim_start_matches(", ")),
                events: 1,
            }),
        }
    }
}
