//! Policies that would be slow are refused, whatever way they take round the other bounds.

use navarch_proto::api::{HealthEvent, HealthStatus, ReportHealthRequest};

use super::{JudgeError, Policy};

fn policy(condition: &str, rules: usize) -> String {
    let rule = |number: usize| {
        format!("  - {{name: r{number}, result: degraded, condition: \"{condition}\"}}\n")
    };
    format!("version: v1\nrules:\n{}", (0..rules).map(rule).collect::<String>())
}

fn balanced(part: &str, operator: &str, times: usize) -> String {
    if times < 2 {
        return part.to_owned();
    }
    let (left, right) = (times / 2, times - times / 2);
    format!("({} {operator} {})", balanced(part, operator, left), balanced(part, operator, right))
}

/// Without it a policy of a few hundred bytes could hold every report up for seconds.
#[test]
fn what_may_take_long_is_refused() {
    let or = |part: &str, times| balanced(part, "||", times);
    for (condition, rules) in [
        (format!("[event.message].exists(m, ({}) == 'x')", balanced("m", "+", 300)), 16),
        (format!("event.metrics.exists(m, {})", or("m == '7'", 200)), 4),
        (format!("event.metrics.exists(m, {})", or("event.message.contains('xxxy')", 20)), 1),
        (format!("event.metrics.exists(m, {})", or("event.message.matches('x+y')", 20)), 1),
        (or("event.metrics + 1 == 2", 100), 4),
        (format!("[{}] == []", vec!["event.metrics"; 200].join(", ")), 1),
        (
            "event.metrics.map(m, event.message + event.message).exists(x, x.contains('zz'))"
                .to_owned(),
            8,
        ),
        (or("timestamp(event.message) == timestamp('2026-01-01T00:00:00Z')", 40), 8),
        (or("event == event", 200), 4),
    ] {
        let refused = Policy::compile(&policy(&condition, rules), 1);
        let refused = refused.expect_err(&condition).to_string();
        assert!(refused.contains("us are allowed; this one may take"), "{condition}: {refused}");
        assert!(refused.contains("rules[") && refused.contains("rule `r"), "{refused}");
    }
}

/// Without it the bound would be one on useful policies.
#[test]
fn what_people_write_is_accepted() {
    for (condition, rules) in [
        ("event.message.contains('fallen off the bus')", 200),
        ("event.message.matches('(?i)\\\\bxid\\\\b.*[0-9]+')", 60),
        ("event.metrics.exists(name, name.startsWith('xid') && event.metrics[name] == 63)", 4),
        ("history.count('xid', '24h') > 3 && history.gpu.distinct('xid', '1h') > 2", 100),
        ("event.event_type == 'thermal' && event.metrics.temperature >= 90", 256),
    ] {
        let compiled = Policy::compile(&policy(condition, rules), 1);
        let compiled = compiled.unwrap_or_else(|error| panic!("{condition}: {error}"));
        assert!(compiled.most_us() <= 5_000, "{condition}");
    }
    let built_in = Policy::compile("", 1).expect("compiles");
    assert!(built_in.most_us() < 200, "{}", built_in.most_us());
}

/// Without it regular expressions could be written that take seconds for a message.
#[test]
fn regular_expressions_take_a_bounded_time_a_byte() {
    for pattern in ["(a|b)*a(a|b){14}", "a{1000}{1000}"] {
        let text = policy(&format!("event.message.matches('{pattern}')"), 1);
        let refused = Policy::compile(&text, 1).expect_err(pattern).to_string();
        assert!(refused.contains("needs more than 262144 bytes of memory"), "{refused}");
    }
    let many: String = (0..200)
        .map(|number| {
            format!("  - {{name: r{number}, result: degraded, condition: \"event.message.matches('[a-z]{{500}}{number}')\"}}\n")
        })
        .collect();
    let refused = Policy::compile(&format!("version: v1\nrules:\n{many}"), 1);
    let refused = refused.expect_err("too many").to_string();
    assert!(refused.contains("together need more than 2097152 bytes"), "{refused}");
}

fn judge(condition: &str, event: HealthEvent) -> (HealthStatus, usize) {
    let compiled = Policy::compile(&policy(condition, 1), 1).expect("compiles");
    let report = ReportHealthRequest { events: vec![event], ..ReportHealthRequest::default() };
    let verdict = compiled.judge(&report).expect("within bounds");
    (verdict.overall, verdict.failures.len())
}

fn metric(value: &str) -> HealthEvent {
    let metrics = [("m".to_owned(), value.to_owned())].into();
    HealthEvent { metrics, ..HealthEvent::default() }
}

/// Without it a sensor that reads nonsense could pass for one that is cool, in silence.
#[test]
fn numbers_that_are_none() {
    use HealthStatus::{Degraded, Healthy};
    for (value, condition, expected) in [
        // A comparison with what is no number fails, which is told, and is no match.
        ("NaN", "event.metrics.m >= 95", (Degraded, 1)),
        ("nan", "event.metrics.m < 95", (Degraded, 1)),
        ("hot", "event.metrics.m >= 95", (Degraded, 1)),
        ("NaN", "event.metrics.m == event.metrics.m", (Healthy, 0)),
        ("inf", "event.metrics.m >= 95", (Degraded, 0)),
        ("-inf", "event.metrics.m >= 95", (Healthy, 0)),
        ("1e400", "event.metrics.m >= 95", (Degraded, 0)),
        ("9223372036854775808", "event.metrics.m > 9223372036854775807", (Healthy, 0)),
    ] {
        assert_eq!(judge(condition, metric(value)), expected, "{value} {condition}");
    }
    let two = "version: v1\nrules:\n  - {name: hot, condition: event.metrics.m >= 95, result: unhealthy}\n  - {name: any, condition: 'false', result: degraded}\n";
    let compiled = Policy::compile(two, 1).expect("compiles");
    let report =
        ReportHealthRequest { events: vec![metric("NaN")], ..ReportHealthRequest::default() };
    let verdict = compiled.judge(&report).expect("judged");
    assert_eq!((verdict.overall, verdict.failures[0].rule.as_str()), (Healthy, "hot"));
}

/// Without it long texts would cost every rule, or be refused with the event that they came with.
#[test]
fn long_texts_are_cut_or_refused_by_name() {
    let long = |message: String| HealthEvent { message, ..HealthEvent::default() };
    let size = |event| judge("size(event.message) == 4096", event).0;
    assert_eq!(size(long("x".repeat(60_000))), HealthStatus::Degraded);
    let wide = "\u{e9}".repeat(3_000);
    assert_eq!(judge("size(event.message) == 2048", long(wide)).0, HealthStatus::Degraded);
    let policy = Policy::compile("", 1).expect("compiles");
    let refuse = |event: HealthEvent| {
        let events = vec![HealthEvent::default(), event];
        let report = ReportHealthRequest { events, ..ReportHealthRequest::default() };
        policy.judge(&report).expect_err("beyond the bounds")
    };
    let refused = refuse(metric(&"x".repeat(1_025)));
    let said = "the value of metric `m` of event 1 has 1025 bytes, and at most 1024 are allowed";
    assert!(refused.to_string().starts_with(said), "{refused}");
    let name = "n".repeat(200);
    let metrics = [(name, "1".to_owned())].into();
    let refused = refuse(HealthEvent { metrics, ..HealthEvent::default() });
    assert!(matches!(refused, JudgeError::MetricTooLong { what: "name", limit: 128, .. }));
    assert!(refused.to_string().len() < 200, "{refused}");
    let huge = refuse(long("x".repeat(10 << 20)));
    assert!(matches!(huge, JudgeError::EventTooLarge { position: 1, bytes: 10_485_760, .. }));
    let events = vec![HealthEvent::default(); 1_000_000];
    let report = ReportHealthRequest { events, ..ReportHealthRequest::default() };
    let refused = policy.judge(&report).expect_err("a million events");
    assert_eq!(refused, JudgeError::TooManyEvents { count: 1_000_000, limit: 1_000 });
}
