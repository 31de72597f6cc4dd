use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};

use super::*;

/// Applies `(checks, events)` reports one after the other and tells `(verdict, latched, count)` of each.
fn replay(reports: &[(HealthStatus, HealthStatus)]) -> Vec<(HealthStatus, bool, u32)> {
    let mut health = Health::default();
    reports
        .iter()
        .map(|(checks, events)| {
            let report = Report {
                checks: *checks,
                events: *events,
                verdict: Unknown,
                rule: "rule",
                reason: "reason",
                event: None,
                also: &[],
            };
            health = health.after(report, LogTime::from_ms(7));
            (health.verdict, health.latched, health.unhealthy_reports)
        })
        .collect()
}

/// Every verdict of checks by every verdict of events, on a fresh node.
#[test]
fn first_report_table() {
    for checks in [Unknown, Healthy, Degraded, Unhealthy] {
        for events in [Unknown, Healthy, Degraded, Unhealthy] {
            let worst = checks.max(events);
            let unhealthy = worst == Unhealthy;
            assert_eq!(
                replay(&[(checks, events)]),
                [(worst, unhealthy, u32::from(unhealthy))],
                "{checks:?} {events:?}"
            );
        }
    }
}

/// An XID is sent once: without this, a node with a dead GPU is never replaced at a threshold of 2.
#[test]
fn an_event_counts_with_every_later_report() {
    assert_eq!(
        replay(&[(Healthy, Unhealthy), (Healthy, Unknown), (Healthy, Healthy)]),
        [(Unhealthy, true, 1), (Healthy, true, 2), (Healthy, true, 3)]
    );
}

/// A check that failed once and passed again must not add up over days to a replacement.
#[test]
fn a_passing_check_resets_failed_checks_but_not_the_latch() {
    assert_eq!(
        replay(&[(Unhealthy, Unknown), (Unhealthy, Unknown), (Degraded, Unknown)]),
        [(Unhealthy, true, 1), (Unhealthy, true, 2), (Degraded, true, 0)]
    );
}

/// Events are reported apart from the checks: without it a GPU that throws errors between its checks is never replaced for these.
#[test]
fn events_alone_do_not_reset_failed_checks() {
    assert_eq!(
        replay(&[
            (Unhealthy, Unknown),
            (Unknown, Degraded),
            (Unknown, Unknown),
            (Unhealthy, Unknown)
        ]),
        [(Unhealthy, true, 1), (Degraded, true, 1), (Degraded, true, 1), (Unhealthy, true, 2)]
    );
}

/// The operator must see the rule that took the node out, not the last thing that was fine.
#[test]
fn the_latching_rule_stays_named() {
    let xid = DecidingEvent { code: 79, message: "x".repeat(300), ..DecidingEvent::default() };
    let latching = Report {
        checks: Unknown,
        events: Unhealthy,
        verdict: Unhealthy,
        rule: "xid-fatal",
        reason: "XID 79",
        event: Some(&xid),
        also: &[],
    };
    let fine = Report {
        checks: Healthy,
        events: Unknown,
        verdict: Healthy,
        rule: "",
        reason: "",
        event: None,
        also: &[],
    };
    let health = Health::default().after(latching, LogTime::from_ms(5));
    let health = health.after(fine, LogTime::from_ms(6));
    assert_eq!((&*health.rule, &*health.reason), ("xid-fatal", "XID 79"));
    let event = health.event.as_deref().unwrap();
    let at = LogTime::from_ms(5).to_timestamp();
    assert_eq!((event.code, event.message.len(), event.reported_at), (79, 256, Some(at)));
    let later = health.after(latching, LogTime::from_ms(9));
    assert_eq!(later.event, health.event, "the same again is no change of the event");
    assert_eq!(health.unhealthy_event_at, LogTime::optional(5));
    assert_eq!(Health::cleared(), Health::default());
}

/// Without it a verdict that an older build took would look new to whoever waits for new ones, and open a breaker.
#[test]
fn an_undated_verdict_stays_undated() {
    let latched = Health { latched: true, rule: "old".into(), ..Health::default() };
    let report = Report {
        checks: Unhealthy,
        events: Unknown,
        verdict: Unhealthy,
        rule: "nvml",
        reason: "",
        event: None,
        also: &[],
    };
    let health = latched.after(report, LogTime::from_ms(9));
    assert_eq!((&*health.rule, &*health.also_line(), health.latched_at), ("old", "nvml", None));
}

/// Without it rules that are renamed again and again would fill a node's record.
#[test]
fn what_else_was_found_is_bounded() {
    let mut health = Health::default();
    for number in 0..100 {
        let rule = format!("rule-{number}");
        let report = Report {
            checks: Unhealthy,
            events: Unknown,
            verdict: Unhealthy,
            rule: &rule,
            reason: "",
            event: None,
            also: &[],
        };
        health = health.after(report, LogTime::from_ms(number));
    }
    assert_eq!((&*health.rule, health.also.len()), ("rule-0", MAX_FINDINGS));
}

/// An agent that reports nothing must not be able to wash a bad verdict away.
#[test]
fn a_report_without_results_changes_no_verdict() {
    assert_eq!(
        replay(&[(Degraded, Unknown), (Unknown, Unknown)]),
        [(Degraded, false, 0), (Degraded, false, 0)]
    );
}
