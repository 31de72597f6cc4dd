use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::health::{Verdict, status_word};

/// Rules that are counted one by one; what policies name beyond it, over time, shares one series.
const MAX_RULES: usize = 1_024;

/// What this replica judged, by rule.
#[derive(Default)]
pub(super) struct HealthSeries {
    failures: Family<RuleLabels, Counter>,
    shadowed: Family<ShadowLabels, Counter>,
    rules: Mutex<BTreeSet<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabels {
    rule: String,
    result: &'static str,
}

impl HealthSeries {
    /// Counts the events of a report whose verdict has come into effect.
    pub(super) fn judged(&self, verdict: &Verdict) {
        for failure in &verdict.failures {
            let labels = RuleLabels { rule: self.label(&failure.rule) };
            self.failures.get_or_create(&labels).inc_by(failure.events as u64);
        }
        for shadowed in &verdict.shadowed {
            let result = status_word(shadowed.result);
            let labels = ShadowLabels { rule: self.label(&shadowed.rule), result };
            self.shadowed.get_or_create(&labels).inc_by(shadowed.events as u64);
        }
    }

    fn label(&self, rule: &str) -> String {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if !rules.contains(rule) {
            if rules.len() == MAX_RULES {
                return "other".to_owned();
            }
            rules.insert(rule.to_owned());
        }
        rule.to_owned()
    }

    /// Adds the series to what is exposed.
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Events for which a health rule could not be evaluated";
        registry.register("health_rule_failures", help, self.failures.clone());
        let help = "Events on which a health rule on trial would have decided, by its result";
        registry.register("health_rule_shadowed", help, self.shadowed.clone());
    }
}

#[cfg(test)]
mod tests {
    use navarch_proto::api::{HealthStatus, ReportHealthRequest};
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::health::{Policy, RuleFailure, ShadowedRule};

    fn verdict(rule: &str) -> Verdict {
        let policy = Policy::compile("", 1).unwrap();
        let report = ReportHealthRequest::default();
        let failure = RuleFailure { rule: rule.to_owned(), error: String::new(), events: 2 };
        let shadowed = ShadowedRule {
            rule: rule.to_owned(),
            result: HealthStatus::Unhealthy,
            event: String::new(),
            events: 3,
        };
        let failures = vec![failure];
        Verdict { failures, shadowed: vec![shadowed], ..policy.judge(&report).unwrap() }
    }

    /// Without it a rule that never works would show nowhere, or renamed rules fill the replica's memory.
    #[test]
    fn rules_are_counted_and_bounded() {
        let series = HealthSeries::default();
        for number in 0..=MAX_RULES {
            series.judged(&verdict(&format!("rule-{number}")));
        }
        series.judged(&verdict("rule-0"));
        let mut registry = Registry::with_prefix("navarch");
        series.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "navarch_health_rule_failures_total{rule=\"rule-0\"} 4",
            "navarch_health_rule_failures_total{rule=\"other\"} 2",
            "navarch_health_rule_shadowed_total{rule=\"rule-1\",result=\"unhealthy\"} 3",
        ] {
            assert!(text.contains(line), "{line}");
        }
    }
}
