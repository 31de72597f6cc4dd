//! Verdicts with everything that they may carry: what a node's history keeps, and what is said of rules.

use navarch_proto::{
    api::{DecidingEvent, HealthEventType, HealthStatus, NodeStatus},
    fleet::{
        DropExpired, HealthFinding, RecordVerdict, RejectionCode, ReportedEvent, RuleRemark,
        RuleRemarkKind, UncordonNode, proposal::Kind,
    },
};

use super::harness::{Fleet, apply_spec, register_plain, spec, verdict};
use crate::{
    FleetState,
    limits::{HISTORY_SLACK_MS, MAX_KIND_HISTORY, RETAIN_HISTORY_MS, RETAIN_RULE_REMARKS_MS},
};

/// A verdict of a random history, now and then a bad one.
pub(crate) fn random(fleet: &Fleet, node_id: String, [one, two, three]: [u8; 3]) -> RecordVerdict {
    let node = fleet.state.node(&node_id);
    let history = fleet.state.history(&node_id).map_or(0, |history| history.revision);
    // So few identities that some come again.
    let event = |number: u8| ReportedEvent {
        identity: u64::from(number),
        kind: i32::from(two) + 1 - i32::from(three == 9) * 9,
        code: u32::from(three),
        gpu_index: i32::from(one),
    };
    let remark = RuleRemark {
        kind: i32::from(three % 3),
        rule: format!("rule {one}"),
        text: "would".to_owned(),
    };
    RecordVerdict {
        verdict: i32::from(two),
        checks: i32::from(three % 4),
        events: i32::from(two % 4),
        policy_revision: fleet.state.policy_revision(),
        node_incarnation: node.map_or(0, |node| node.incarnation),
        node_id,
        rule: format!("rule {}", one % 3),
        reason: format!("reason {three}"),
        // Now and then the same one again.
        request_id: format!("report {three}"),
        reported_events: (one..one + three % 4).map(event).collect(),
        history_revision: (two > 2).then_some(history + u64::from(three == 7)),
        remarks: (two < 2).then_some(remark).into_iter().collect(),
        deciding_event: (two == 3).then(|| DecidingEvent { code: 79, ..DecidingEvent::default() }),
        also_found: (two == 3 && one > 2).then(|| also(one)).into_iter().collect(),
    }
}

fn also(one: u8) -> HealthFinding {
    let event = (one > 4).then(DecidingEvent::default);
    HealthFinding { rule: format!("rule {one}"), event, ..HealthFinding::default() }
}

fn xid(identity: u64) -> ReportedEvent {
    let kind = HealthEventType::Xid.into();
    ReportedEvent { identity, kind, code: 63, gpu_index: 1 }
}

/// A harmless report with these events, judged by no rule over a window.
fn reporting(node: &str, events: Vec<ReportedEvent>) -> RecordVerdict {
    let unknown = HealthStatus::Unknown;
    RecordVerdict { reported_events: events, ..verdict(node, unknown, unknown) }
}

fn known(fleet: &Fleet, node: &str) -> Vec<u64> {
    let history = fleet.state.history(node).map(|history| history.events().to_vec());
    history.unwrap_or_default().iter().map(|event| event.identity).collect()
}

fn two_nodes() -> Fleet {
    let mut fleet = Fleet::configured();
    for node in ["n", "m"] {
        fleet.accept(register_plain(node));
    }
    fleet
}

/// Without it a retried report would count twice, or two reports at once be judged as if the other were not there.
#[test]
fn a_history_grows_once_and_makes_older_verdicts_stale() {
    let mut fleet = two_nodes();
    fleet.accept(Kind::RecordVerdict(reporting("n", vec![xid(1), xid(1), xid(2)])));
    fleet.advance(1_000);
    fleet.accept(Kind::RecordVerdict(reporting("n", vec![xid(2), xid(3)])));
    assert_eq!(known(&fleet, "n"), [1, 2, 3]);
    assert_eq!(known(&fleet, "m"), [0; 0]);
    let history = fleet.state.history("n").unwrap();
    let times: Vec<u64> = history.events().iter().map(|event| event.at.as_ms()).collect();
    assert_eq!(times, [fleet.now_ms - 1_000, fleet.now_ms - 1_000, fleet.now_ms]);
    let seen = history.revision;
    assert_eq!(fleet.state.remembered_events(), 3);

    let looked = |revision| RecordVerdict {
        history_revision: Some(revision),
        ..reporting("n", vec![xid(4)])
    };
    assert_eq!(fleet.reject(Kind::RecordVerdict(looked(seen - 1))), RejectionCode::Stale);
    fleet.accept(Kind::RecordVerdict(looked(seen)));
    assert_eq!(fleet.reject(Kind::RecordVerdict(looked(seen))), RejectionCode::Stale);
    // A report without rules that look back does not wait for others.
    fleet.accept(Kind::RecordVerdict(reporting("n", vec![xid(5)])));
    // Nothing new leaves the revision as it is.
    let seen = fleet.state.history("n").unwrap().revision;
    fleet.accept(Kind::RecordVerdict(reporting("n", vec![xid(5)])));
    assert_eq!(fleet.state.history("n").unwrap().revision, seen);
    let none = ReportedEvent { kind: 0, ..xid(9) };
    let bad = reporting("n", vec![none]);
    assert_eq!(fleet.reject(Kind::RecordVerdict(bad)), RejectionCode::Invalid);
}

/// Without it a try that was held up on its way would take a machine out again that a person has just repaired.
#[test]
fn a_late_try_of_a_report_does_not_count_again() {
    let mut fleet = two_nodes();
    let report = |status, request_id: &str| {
        let request_id = request_id.to_owned();
        Kind::RecordVerdict(RecordVerdict {
            request_id,
            ..verdict("n", status, HealthStatus::Unknown)
        })
    };
    let unhealthy = |request_id| report(HealthStatus::Unhealthy, request_id);
    fleet.accept(unhealthy("one"));
    fleet.accept(unhealthy("two"));
    fleet.accept(unhealthy("one"));
    assert_eq!(fleet.state.node("n").unwrap().health.unhealthy_reports, 2);
    let node_id = "n".to_owned();
    fleet.accept(Kind::UncordonNode(UncordonNode { node_id, ..UncordonNode::default() }));
    fleet.accept(report(HealthStatus::Healthy, "three"));
    for late in ["one", "two"] {
        let applied = fleet.apply(unhealthy(late));
        assert!(applied.events.is_empty(), "{late} has counted before");
    }
    assert_eq!(fleet.status("n"), NodeStatus::Active);
    fleet.accept(unhealthy("four"));
    assert_eq!(fleet.status("n"), NodeStatus::Unhealthy, "a new one counts");
}

/// Without it a storm of one kind could hide another, or fill every replica's memory.
#[test]
fn a_history_is_bounded_by_kind_and_by_time() {
    let mut fleet = two_nodes();
    fleet.accept(Kind::RecordVerdict(reporting("n", vec![xid(0)])));
    let storm = |first: u64| {
        let kind = HealthEventType::Nvlink.into();
        (first..first + 100).map(|identity| ReportedEvent { kind, ..xid(identity) }).collect()
    };
    for first in [100, 200, 300] {
        fleet.accept(Kind::RecordVerdict(reporting("n", storm(first))));
    }
    assert_eq!(known(&fleet, "n").len(), 1 + MAX_KIND_HISTORY);
    assert!(known(&fleet, "n").contains(&0) && known(&fleet, "n").contains(&399));
    assert_eq!(fleet.state.displaced_events(), 300 - MAX_KIND_HISTORY as u64);

    fleet.advance(RETAIN_HISTORY_MS - 1_000);
    fleet.accept(Kind::RecordVerdict(reporting("n", vec![xid(1)])));
    fleet.advance(HISTORY_SLACK_MS + 1_000);
    assert!(fleet.state.next_drop().is_some_and(|at| at.as_ms() <= fleet.now_ms));
    fleet.accept(Kind::DropExpired(DropExpired {}));
    assert_eq!(known(&fleet, "n"), [1]);
    fleet.advance(RETAIN_HISTORY_MS + HISTORY_SLACK_MS);
    fleet.accept(Kind::DropExpired(DropExpired {}));
    assert!(fleet.state.history("n").is_none());
    assert_eq!(fleet.state.remembered_events(), 0);
    fleet.check_indexes();
}

/// Without it the history of a node that is gone would count against another one of its name, or stay for ever.
#[test]
fn a_history_goes_with_its_node() {
    let mut fleet = two_nodes();
    fleet.accept(Kind::RecordVerdict(reporting("n", vec![xid(1)])));
    let forget = navarch_proto::fleet::ForgetNode { node_id: "n".to_owned() };
    fleet.accept(Kind::ForgetNode(forget));
    assert!(fleet.state.history("n").is_none());
    fleet.check_indexes();
}

fn remark(kind: RuleRemarkKind, rule: &str) -> RuleRemark {
    RuleRemark { kind: kind.into(), rule: rule.to_owned(), text: "text".to_owned() }
}

fn with_remarks(node: &str, remarks: &[RuleRemark]) -> Kind {
    Kind::RecordVerdict(RecordVerdict {
        remarks: remarks.to_vec(),
        policy_revision: 0,
        ..reporting(node, Vec::new())
    })
}

/// Without it a rule that fails on every report would fill the journal, or a rule on trial leave no trace.
#[test]
fn remarks_on_rules_are_journalled_once_an_hour() {
    let mut fleet = two_nodes();
    let both =
        [remark(RuleRemarkKind::Failed, "broken"), remark(RuleRemarkKind::Shadowed, "trial")];
    let mut told = fleet.state.last_event_index();
    let mut news = |fleet: &Fleet| {
        let kinds = fleet.kinds_since(told);
        told = fleet.state.last_event_index();
        kinds
    };
    fleet.accept(with_remarks("n", &both));
    assert_eq!(news(&fleet), ["health-rule-failed", "health-rule-shadowed"]);
    fleet.advance(RETAIN_RULE_REMARKS_MS - 1);
    fleet.accept(with_remarks("n", &both));
    assert_eq!(news(&fleet), [""; 0]);
    // A failure is the rule's, what is on trial is the node's.
    fleet.accept(with_remarks("m", &both));
    assert_eq!(news(&fleet), ["health-rule-shadowed"]);

    let mut bytes = Vec::new();
    fleet.state.write_snapshot(&mut bytes).unwrap();
    fleet.state = FleetState::read_snapshot(&mut bytes.as_slice()).unwrap();
    fleet.accept(with_remarks("n", &both));
    assert_eq!(news(&fleet), [""; 0], "a restored replica would tell it again");
    fleet.advance(1);
    fleet.accept(with_remarks("n", &both));
    assert_eq!(news(&fleet), ["health-rule-failed", "health-rule-shadowed"]);
    fleet.advance(RETAIN_RULE_REMARKS_MS);
    fleet.accept(Kind::DropExpired(DropExpired {}));
    assert_eq!(fleet.state.rule_remarks().count(), 0);

    fleet.accept(with_remarks("n", &both));
    let mut changed = spec();
    changed.policy_yaml = "another".to_owned();
    fleet.accept(apply_spec(changed));
    assert_eq!(fleet.state.rule_remarks().count(), 0, "they were on another policy's rules");
}
