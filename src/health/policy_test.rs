//! Policy files of one's own: what they see, what they may not do, and where their mistakes are
//! shown.

use navarch_proto::api::{
    HealthCheckResult, HealthEvent, HealthEventType, HealthStatus, HealthWatchSystem,
    ReportHealthRequest,
};

use super::{JudgeError, Policy, PolicyError};

fn policy(conditions: &[(&str, &str)]) -> String {
    let mut text = "version: v1\nrules:\n".to_owned();
    for (position, (condition, result)) in conditions.iter().enumerate() {
        text.push_str(&format!("  - name: rule-{position}\n    condition: |\n"));
        for line in condition.lines() {
            text.push_str(&format!("      {line}\n"));
        }
        text.push_str(&format!("    result: {result}\n"));
    }
    text
}

fn refusal(text: &str) -> String {
    match Policy::compile(text, 1) {
        Ok(policy) => panic!("{policy:?} compiled:\n{text}"),
        Err(PolicyError::Invalid(problems)) => problems.to_string(),
        Err(error @ PolicyError::Compiler(_)) => panic!("{error}"),
    }
}

fn sample() -> HealthEvent {
    let metrics = [
        ("xid_code", "79"),
        ("negative", "-5"),
        ("ratio", "0.5"),
        ("flag", "true"),
        ("short_flag", "F"),
        ("word", "hot"),
        ("huge", "99999999999999999999"),
        ("empty", ""),
    ];
    HealthEvent {
        timestamp: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        gpu_index: 3,
        gpu_uuid: "GPU-1".to_owned(),
        system: HealthWatchSystem::Mem.into(),
        event_type: HealthEventType::EccSbe.into(),
        metrics: metrics.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        message: "something".to_owned(),
        ..HealthEvent::default()
    }
}

fn report(events: Vec<HealthEvent>) -> ReportHealthRequest {
    ReportHealthRequest { events, ..ReportHealthRequest::default() }
}

/// Without it a rule could see another event than the one that the contract describes.
#[test]
fn what_a_rule_sees() {
    for condition in [
        "event.event_type == 'ecc_sbe'",
        "event.system == 'DCGM_HEALTH_WATCH_MEM'",
        "event.gpu_index == 3",
        "event['gpu_uuid'] == \"GPU-1\"",
        "event.message.contains('thing')",
        "event.timestamp == '2023-11-14T22:13:20Z'",
        "timestamp(event.timestamp) > timestamp('2023-01-01T00:00:00Z')",
        "event.metrics.xid_code == 79 && type(event.metrics.xid_code) == int",
        "event.metrics.negative < 0",
        "event.metrics.ratio > 0.25 && type(event.metrics.ratio) == double",
        "event.metrics.flag",
        "!event.metrics.short_flag",
        "event.metrics.word == 'hot'",
        "type(event.metrics.huge) == double",
        "event.metrics.empty == ''",
        "!has(event.metrics.nothing)",
        "event.metrics['xid_code'] in [1, 79]",
        "'word' in event.metrics",
        "size(event.metrics) == 8",
        "event.metrics.exists(name, name.startsWith('xid'))",
        "event.message.matches('^some(thing)+$')",
        "matches(event.message, 'thing') && !event.gpu_uuid.matches('^[0-9]{3}')",
        "event.gpu_index > 2 ? true : false",
    ] {
        let text = policy(&[(condition, "unhealthy"), ("true", "healthy")]);
        let policy =
            Policy::compile(&text, 1).unwrap_or_else(|error| panic!("{condition}: {error}"));
        let verdict = policy.judge(&report(vec![sample()])).expect("within bounds");
        assert_eq!(verdict.failures, [], "{condition}");
        assert_eq!(verdict.overall, HealthStatus::Unhealthy, "{condition}");
    }
}

/// A condition; where its mistake is shown, if that is told; what is said.
const MISTAKES: [(&str, &str, &str); 19] = [
    ("event.message.matches('a(b')", "", "not a regular expression"),
    (
        "event.event_typ == 'xid'",
        "5:12",
        "unknown field `event.event_typ`; did you mean `event.event_type`?",
    ),
    (
        "true &&\nevent['sistem'] == 'x'",
        "6:13",
        "unknown field `event.sistem`; did you mean `event.system`?",
    ),
    ("evnt.gpu_index == 3", "5:7", "unknown name `evnt`"),
    (
        "event.event_type == xid",
        "5:27",
        "unknown name `xid`: a rule knows `event` and `history`; text is written in quotes",
    ),
    ("event.message.beginsWith('x')", "5:31", "unknown function `beginsWith`"),
    ("true &&\n  (event.gpu_index == ", "6:28", "Syntax error"),
    ("1 +", "5:10", "Syntax error"),
    ("1 + 2", "5:9", "the condition is not a boolean"),
    ("'text'", "5:7", "the condition is not a boolean"),
    ("event.metrics.map(m, m)", "", "the condition is not a boolean"),
    ("event.metrics.all(a, event.metrics.all(b, a == b))", "", "a loop within a loop"),
    ("event.metrics.all(event, true)", "", "`event` cannot be a loop's variable"),
    ("event[event.message] == 'x'", "5:18", "a field of `event` is named by a text in quotes"),
    ("event.message.matches(event.gpu_uuid)", "", "`matches` takes a regular expression in quotes"),
    ("event.message.matches('a{1000}{1000}')", "", "needs more than 262144 bytes of memory"),
    ("event.?message.hasValue()", "", "unsupported syntax"),
    ("optional.none().hasValue()", "", "unknown name `optional`"),
    ("Foo{a: 1} == Foo{a: 1}", "", "messages are not known here"),
];

/// Without it a mistake would only show when a GPU breaks.
#[test]
fn mistakes_are_shown_with_rule_and_place() {
    for (condition, place, message) in MISTAKES {
        let text = refusal(&policy(&[(condition, "unhealthy")]));
        assert!(text.contains("rules[0].condition: rule `rule-0`: "), "{condition}: {text}");
        assert!(text.contains(message), "{condition}: {text}");
        assert!(text.starts_with(&format!("health policy:{place}")), "{condition}: {text}");
    }
}

/// Without it a policy of a few hundred bytes could stop every replica.
#[test]
fn conditions_are_bounded() {
    let nested = |left: &str, right: &str, times: usize| {
        format!("{}true{}", left.repeat(times), right.repeat(times))
    };
    for condition in [
        nested("(", ")", 1_000),
        format!("[{}1{}] == []", "[".repeat(1_500), "]".repeat(1_500)),
        format!("{}1 > 0", "1 + ".repeat(900)),
        format!("event.gpu_index in [{}1]", "1,".repeat(1_500)),
        format!("event.message == '{}'", "x".repeat(5_000)),
        ["event.metrics.all(m, true)"; 9].join(" && "),
        nested("true ? (", ") : false", 300),
    ] {
        let text = refusal(&policy(&[(&condition, "healthy")]));
        assert!(text.len() < 4_000, "{text}");
    }
    let longest = vec!["event.gpu_index == 12345"; 140].join(" || ");
    let policy = Policy::compile(&policy(&[(&longest, "unhealthy")]), 1).expect("compiles");
    assert_eq!(
        policy.judge(&report(vec![sample()])).expect("judged").overall,
        HealthStatus::Healthy
    );
}

/// Without it the deepest condition that is accepted could overflow the stack of the worker that
/// judges.
#[test]
fn the_deepest_condition_is_evaluated_on_a_workers_stack() {
    let calls = 18;
    let deep = format!("{}'a'{} == 'a'", "string(".repeat(calls), ")".repeat(calls));
    let policy = Policy::compile(&policy(&[(&deep, "unhealthy")]), 1).expect("compiles");
    let judge = || policy.judge(&report(vec![sample()])).expect("judged").overall;
    let overall = navarch_host::with_deep_stack("worker", 1_280 << 10, judge);
    assert_eq!(overall.expect("runs"), HealthStatus::Unhealthy);
}

/// Without it a policy that does not fit the events would call broken machines healthy in silence.
#[test]
fn rules_that_cannot_be_evaluated() {
    let failing = ("event.metrics.absent > 1", "unhealthy");
    let judge = |rules: &[(&str, &str)], events: usize| {
        let policy = Policy::compile(&policy(rules), 1).expect("compiles");
        policy.judge(&report(vec![sample(); events])).expect("within bounds")
    };
    let all = judge(&[failing, ("event.message > 5", "unhealthy")], 3);
    assert_eq!(all.overall, HealthStatus::Degraded);
    assert_eq!(all.reason, "no rule of the policy could be evaluated, GPU 3, ecc_sbe: something");
    let names: Vec<_> =
        all.failures.iter().map(|failure| (failure.rule.as_str(), failure.events)).collect();
    assert_eq!(names, [("rule-0", 3), ("rule-1", 3)]);
    assert_eq!(all.failures[0].error, "No such key: absent");

    let some = judge(&[failing, ("false", "unhealthy")], 1);
    assert_eq!((some.overall, some.failures.len()), (HealthStatus::Healthy, 1));
    let matched = judge(&[failing, ("true", "degraded")], 1);
    assert_eq!((matched.overall, matched.rule.as_str()), (HealthStatus::Degraded, "rule-1"));
    let not_boolean = judge(&[("event.metrics.word", "unhealthy")], 1);
    assert_eq!(not_boolean.failures[0].error, "the condition is a string, not a boolean");
    assert_eq!(not_boolean.overall, HealthStatus::Degraded);
}

/// Without it the second of two rules that match could win.
#[test]
fn the_first_match_wins_even_if_it_is_milder() {
    let text = policy(&[("true", "healthy"), ("true", "unhealthy")]);
    let policy = Policy::compile(&text, 1).expect("compiles");
    assert_eq!(
        policy.judge(&report(vec![sample()])).expect("judged").overall,
        HealthStatus::Healthy
    );
}

/// Without it a policy could not be shared between the tasks that judge.
#[test]
fn a_policy_is_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Policy>();
}

/// Without it one report could hold a replica for minutes.
#[test]
fn reports_are_bounded() {
    let policy = Policy::compile("", 1).expect("compiles");
    let many = report(vec![HealthEvent::default(); 1_001]);
    let refused = policy.judge(&many).expect_err("too many");
    assert_eq!(refused, JudgeError::TooManyEvents { count: 1_001, limit: 1_000 });
    let mut wide = sample();
    wide.metrics = (0..257).map(|name| (name.to_string(), "1".to_owned())).collect();
    let refused = policy.judge(&report(vec![sample(), wide])).expect_err("too many");
    assert_eq!(refused, JudgeError::TooManyMetrics { position: 1, count: 257, limit: 256 });
    let mut long = sample();
    long.message = "x".repeat(70_000);
    let refused = policy.judge(&report(vec![long])).expect_err("too long");
    assert!(matches!(refused, JudgeError::EventTooLarge { position: 0, .. }));
}

/// Without it a slip in a policy's YAML would pass, or be told without its line.
#[test]
fn the_file_is_checked() {
    let rule = "  - {name: a, condition: 'true', result: healthy}\n";
    for (text, expected) in [
        ("rules: []\n".to_owned(), "version: missing"),
        ("version: v2\nrules:\n".to_owned() + rule, "1:10: version: unknown value `v2`"),
        ("version: v1\n".to_owned(), "rules: missing"),
        (
            format!("version: v1\nrules:\n{rule}{rule}"),
            "4:12: rules[1].name: two rules are named `a`",
        ),
        (
            "version: v1\nrule:\n".to_owned() + rule,
            "2:1: rule: unknown key `rule`; did you mean `rules`?",
        ),
        (
            "version: v1\nrules:\n  - {name: a, condition: 'true', result: sick}\n".to_owned(),
            "unknown value `sick`; one of healthy, degraded, unhealthy",
        ),
        (
            "version: v1\nrules:\n  - {name: a, result: healthy}\n".to_owned(),
            "3:6: rules[0].condition: missing",
        ),
        (
            "version: v1\nrules:\n  - {condition: 'true', result: healthy}\n".to_owned(),
            "rules[0].name: missing",
        ),
        (
            "version: v1\nrules:\n  - {name: a, condition: 'true', result: healthy, when: 1}\n"
                .to_owned(),
            "unknown key `when`",
        ),
        (
            "version: v1\nrules:\n  - {name: a, condition: [x], result: healthy}\n".to_owned(),
            "expected text, found a list",
        ),
        (
            format!(
                "version: v1\nrules:\n{}",
                (0..257)
                    .map(|name| format!(
                        "  - {{name: r{name}, condition: 'true', result: healthy}}\n"
                    ))
                    .collect::<String>()
            ),
            "257 rules, and at most 256",
        ),
        ("x".repeat(70_000), "a health policy has at most 65536"),
        ("version: v1\nrules: {".to_owned(), "not usable as YAML"),
    ] {
        let problems = refusal(&text);
        assert!(problems.contains(expected), "{text:.200}\n{problems}");
    }
}

/// Without it clearing one rule's verdict would free a node that another rule condemned in the same report.
#[test]
fn every_unhealthy_rule_and_check_of_a_report_is_told() {
    let rules = "version: v1\nrules:\n  \
        - {name: pcie, condition: 'event.event_type == \"pcie\"', result: unhealthy}\n  \
        - {name: heat, condition: 'event.event_type == \"thermal\"', result: unhealthy}\n  \
        - {name: rest, condition: 'true', result: degraded}\n";
    let policy = Policy::compile(rules, 1).unwrap_or_else(|error| panic!("{error}"));
    let event = |kind: HealthEventType, message: &str| HealthEvent {
        event_type: kind.into(),
        message: message.to_owned(),
        ..HealthEvent::default()
    };
    let check = |name: &str, status: HealthStatus| HealthCheckResult {
        check_name: name.to_owned(),
        status: status.into(),
        message: "check".to_owned(),
        ..HealthCheckResult::default()
    };
    use HealthEventType::{Memory, Pcie, Thermal};
    let report = ReportHealthRequest {
        results: vec![check("nvml", HealthStatus::Unhealthy), check("boot", HealthStatus::Healthy)],
        events: vec![
            event(Memory, "m"),
            event(Thermal, "first"),
            event(Thermal, "second"),
            event(Pcie, "p"),
        ],
        ..ReportHealthRequest::default()
    };
    let verdict = policy.judge(&report).unwrap();
    assert_eq!(verdict.rule, "heat");
    let told: Vec<_> = verdict.also.iter().map(|one| (&*one.rule, one.event.is_some())).collect();
    assert_eq!(told, [("pcie", true), ("nvml", false)]);
}
