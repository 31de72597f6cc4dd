//! Policies and events that nobody has thought of.

use std::{cell::Cell, collections::BTreeMap};

use navarch_fuzz::Target;
use navarch_proto::api::{
    HealthCheckResult, HealthEvent, HealthEventType, HealthWatchSystem, ReportHealthRequest,
};
use prost::Message as _;

use super::Policy;

/// What conditions are made of.
const WORDS: [&str; 28] = [
    "event.event_type",
    "event.metrics",
    "event.message",
    "event.gpu_index",
    "history.count(",
    "\"xid:63\"",
    "\"24h\"",
    "history.distinct(",
    "history.since(",
    ".all(x, ",
    ".map(x, ",
    ".filter(x, ",
    ".exists(x, ",
    ".matches(\"",
    "(a+)+$",
    "[0-9]{1000}",
    "(",
    ")",
    "[1, 2, 3]",
    " && ",
    " || ",
    "!",
    " ? ",
    " : ",
    "==",
    "9223372036854775807",
    "- name: x\n",
    "condition: |\n",
];

fn report() -> ReportHealthRequest {
    let event = |kind: HealthEventType, metrics: &[(&str, &str)]| HealthEvent {
        event_type: kind.into(),
        system: HealthWatchSystem::Driver.into(),
        gpu_index: 3,
        gpu_uuid: "GPU-3".to_owned(),
        message: "XID 79: GPU has fallen off the bus".to_owned(),
        metrics: metrics.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        timestamp: Some(prost_types::Timestamp { seconds: 1_772_431_200, nanos: 5 }),
        event_id: "e1".to_owned(),
    };
    ReportHealthRequest {
        node_id: "m0".to_owned(),
        events: vec![
            event(HealthEventType::Xid, &[("xid_code", "79")]),
            event(HealthEventType::Thermal, &[("temperature", "101.5"), ("throttled", "true")]),
            event(HealthEventType::EccSbe, &[("count", "9223372036854775807")]),
        ],
        results: vec![HealthCheckResult { check_name: "nvml".to_owned(), ..Default::default() }],
    }
}

/// A policy that looks back.
const HISTORY: &str = r#"version: v1
rules:
  - name: row-remap
    condition: event.event_type == "xid" && history.count("xid:63", "24h") >= 5
    result: unhealthy
  - name: words
    condition: event.message.matches("fallen .* bus") || event.metrics.exists(name, name.startsWith("t"))
    result: degraded
"#;

/// Without it a policy that is applied could end the replicas that compile it, or a report those that judge by it.
#[test]
fn fuzz_policies_compile_or_are_refused() {
    let report = report();
    let compiled = Cell::new(0);
    let target = Target::text("health-policy", &WORDS).cases(300);
    target.seed(include_str!("built_in.yaml")).seed(HISTORY).check(|input| {
        let Ok(text) = str::from_utf8(input) else { return };
        match Policy::compile(text, 3) {
            Ok(policy) => {
                compiled.set(compiled.get() + 1);
                let verdict = policy.judge(&report).expect("within bounds");
                assert_eq!(policy.judge(&report).unwrap().overall, verdict.overall);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
    assert!(compiled.get() > 10, "{}", compiled.get());
}

/// Without it one agent's report could end the leader, and the same report the next one; or be judged one way here and
/// another there.
#[test]
fn fuzz_reports_are_judged_or_refused() {
    let policies = [Policy::compile("", 3).unwrap(), Policy::compile(HISTORY, 3).unwrap()];
    let events = |verdict: &super::Verdict| -> BTreeMap<String, usize> {
        verdict.failures.iter().map(|failure| (failure.rule.clone(), failure.events)).collect()
    };
    Target::message("health-report").cases(1_000).seed(report().encode_to_vec()).check(|input| {
        let Ok(report) = ReportHealthRequest::decode(input) else { return };
        for policy in &policies {
            let (Ok(verdict), Ok(again)) = (policy.judge(&report), policy.judge(&report)) else {
                continue;
            };
            assert_eq!((verdict.overall, events(&verdict)), (again.overall, events(&again)));
        }
    });
}
