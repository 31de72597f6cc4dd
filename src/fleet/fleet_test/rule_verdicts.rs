//! The verdicts of one rule, cleared together.

use navarch_proto::{
    api::{DecidingEvent, HealthStatus, NodeStatus},
    fleet::{
        ClearRuleVerdicts, CordonNode, DrainNode, FinishDrain, HealthFinding, RecordVerdict,
        RejectionCode, proposal::Kind,
    },
};

use super::harness::{Fleet, node_request, register, verdict};

fn clear(rule: &str, pool: &str) -> Kind {
    Kind::ClearRuleVerdicts(ClearRuleVerdicts {
        rule: rule.to_owned(),
        pool: pool.to_owned(),
        reason: "the rule was wrong".to_owned(),
    })
}

/// Nodes `n0` to `n4`, of pools `a`, `b`, `a`, ..., all but the last unhealthy by rule `xid`, `n3` by `nvml`.
fn unhealthy_fleet() -> Fleet {
    let mut fleet = Fleet::configured();
    for number in 0..5 {
        let (id, pool) = (format!("n{number}"), ["a", "b"][number % 2]);
        fleet.accept(register(node_request(&id, &[("pool", pool)]), ""));
        if number < 4 {
            let rule = if number == 3 { "nvml" } else { "xid" };
            let judged = verdict(&id, HealthStatus::Healthy, HealthStatus::Unhealthy);
            fleet.accept(Kind::RecordVerdict(RecordVerdict { rule: rule.to_owned(), ..judged }));
        }
    }
    fleet
}

/// Without it a bad rule that made a whole pool unhealthy would have to be mended node by node.
#[test]
fn all_verdicts_of_a_rule_go_at_once() {
    let mut fleet = unhealthy_fleet();
    assert_eq!(fleet.accept(clear("xid", "b")).count, 1);
    assert_eq!(fleet.status("n1"), NodeStatus::Active);
    assert_eq!(fleet.status("n0"), NodeStatus::Unhealthy, "of another pool");
    let events = fleet.state.last_event_index();
    assert_eq!(fleet.accept(clear("xid", "")).count, 2);
    assert_eq!(fleet.kinds_since(events), ["node-health-changed", "node-health-changed"]);
    let told = fleet.state.events_since(events, 1).next().unwrap();
    assert_eq!((told.subject.as_str(), told.reason.as_str()), ("node/n0", "the rule was wrong"));
    assert_eq!(fleet.status("n3"), NodeStatus::Unhealthy, "by another rule");
    let health = &fleet.state.node("n0").unwrap().health;
    assert_eq!(*health, crate::Health::default());
    fleet.check_indexes();
}

/// Without it a misspelt rule would look like a cleared one.
#[test]
fn a_rule_that_decided_nothing_is_told_with_those_that_did() {
    let mut fleet = unhealthy_fleet();
    for (bad, code, says) in [
        (clear("xis", ""), RejectionCode::NotFound, "by nvml (1 nodes), xid (3 nodes)"),
        (clear("nvml", "a"), RejectionCode::NotFound, "verdict in pool a stands"),
        (clear("xid", "x"), RejectionCode::NotFound, "pool x is not configured"),
        (clear("", ""), RejectionCode::Invalid, "name the rule"),
    ] {
        let refused = fleet.rejection(bad);
        assert_eq!(refused.code(), code);
        assert!(refused.message.contains(says), "{refused:?}");
    }
}

/// Without it a person's cordon would be lifted with a rule's verdict, or a machine drained on for nothing.
#[test]
fn what_people_decided_stays_and_what_the_verdict_began_is_cancelled() {
    let mut fleet = unhealthy_fleet();
    let cordon = |node_id: &str| {
        let node_id = node_id.to_owned();
        Kind::CordonNode(CordonNode { node_id, ..CordonNode::default() })
    };
    let drain = |node_id: &str, for_verdict| {
        let node_id = node_id.to_owned();
        let reason = "because".to_owned();
        Kind::DrainNode(DrainNode { node_id, reason, for_verdict, ..DrainNode::default() })
    };
    let drained = |node_id: &str| {
        let node_id = node_id.to_owned();
        Kind::FinishDrain(FinishDrain { node_id, ..FinishDrain::default() })
    };
    for number in 4..8 {
        let id = format!("n{number}");
        if number > 4 {
            fleet.accept(register(node_request(&id, &[]), ""));
        }
        let judged = verdict(&id, HealthStatus::Healthy, HealthStatus::Unhealthy);
        fleet.accept(Kind::RecordVerdict(RecordVerdict { rule: "xid".to_owned(), ..judged }));
    }
    fleet.accept(cordon("n0"));
    fleet.accept(drain("n1", true));
    fleet.accept(drain("n2", false));
    // The cordon of a person outlives the drain that came over it, whatever the drain came to.
    for step in [cordon("n4"), drain("n4", true), drained("n4")] {
        fleet.accept(step);
    }
    // What a person drains on is drained for the person's reason.
    for step in [drain("n5", true), drain("n5", false)] {
        fleet.accept(step);
    }
    for step in [drain("n6", true), drained("n6")] {
        fleet.accept(step);
    }
    let events = fleet.state.last_event_index();
    assert_eq!(fleet.accept(clear("xid", "")).count, 7);
    let expected = [
        ("n0", NodeStatus::Cordoned, "node-health-changed"),
        // The workload system is told that it takes work again.
        ("n1", NodeStatus::Active, "node-uncordoned"),
        ("n2", NodeStatus::Draining, "node-health-changed"),
        ("n4", NodeStatus::Cordoned, "node-health-changed"),
        ("n5", NodeStatus::Draining, "node-health-changed"),
        ("n6", NodeStatus::Active, "node-uncordoned"),
        ("n7", NodeStatus::Active, "node-health-changed"),
    ];
    for (id, status, _) in expected {
        assert_eq!(fleet.status(id), status, "{id}");
    }
    assert_eq!(fleet.kinds_since(events), expected.map(|(_, _, kind)| kind));
    fleet.check_indexes();
}

/// Without it clearing a wrong rule would also free the node on which a right one decided as well, or miss it.
#[test]
fn a_verdict_stands_by_every_rule_that_decided() {
    let mut fleet = unhealthy_fleet();
    let event = Some(DecidingEvent::default());
    let judged = |rule: &str, also: &[&str]| {
        let judged = verdict("n0", HealthStatus::Healthy, HealthStatus::Unhealthy);
        let found = |rule: &&str| HealthFinding {
            rule: (*rule).to_owned(),
            reason: format!("by {rule}"),
            event: event.clone(),
            at_ms: 0,
        };
        Kind::RecordVerdict(RecordVerdict {
            rule: rule.to_owned(),
            reason: format!("by {rule}"),
            deciding_event: event.clone(),
            also_found: also.iter().map(found).collect(),
            ..judged
        })
    };
    fleet.accept(judged("xid", &["thermal"]));
    let events = fleet.state.last_event_index();
    fleet.accept(judged("ecc", &["xid"]));
    fleet.accept(judged("thermal", &["ecc"]));
    let told: Vec<_> = fleet.state.events_since(events, 9).cloned().collect();
    assert_eq!(told.len(), 1, "what is found beside is told, once: {told:?}");
    assert_eq!(told[0].reason, "by ecc");
    let health = |fleet: &Fleet| fleet.state.node("n0").unwrap().health.clone();
    let rules = |fleet: &Fleet| {
        let health = health(fleet);
        (health.rule.to_string(), health.also_line())
    };
    let found = |rule: &str, also: &str| (rule.to_owned(), also.to_owned());
    assert_eq!(rules(&fleet), found("xid", "thermal, ecc"));
    fleet.accept(Kind::DrainNode(DrainNode {
        node_id: "n0".to_owned(),
        for_verdict: true,
        ..DrainNode::default()
    }));
    assert_eq!(fleet.accept(clear("thermal", "")).count, 1, "of a rule that decided beside");
    assert_eq!(rules(&fleet), found("xid", "ecc"));
    assert_eq!(fleet.accept(clear("xid", "a")).count, 2, "n0 and n2");
    assert_eq!(rules(&fleet), found("ecc", ""));
    assert!(health(&fleet).latched && health(&fleet).event.is_some());
    assert_eq!(
        fleet.status("n0"),
        NodeStatus::Draining,
        "it is to go for the last rule all the same"
    );
    fleet.accept(clear("ecc", ""));
    assert_eq!(fleet.status("n0"), NodeStatus::Active);
    assert_eq!(health(&fleet), crate::Health::default());
    fleet.check_indexes();
}

/// Without it a node would be replaced for a verdict that was cleared, by the reports that came after it.
#[test]
fn clearing_the_only_event_stops_its_clock() {
    let mut fleet = unhealthy_fleet();
    let judged = |checks, events, rule: &str, deciding_event| {
        let rule = rule.to_owned();
        Kind::RecordVerdict(RecordVerdict { rule, deciding_event, ..verdict("n4", checks, events) })
    };
    use HealthStatus::{Healthy, Unhealthy, Unknown};
    fleet.accept(judged(Unhealthy, Unknown, "nvml", None));
    fleet.accept(judged(Healthy, Unknown, "", None));
    fleet.accept(judged(Healthy, Unhealthy, "bad", Some(DecidingEvent::default())));
    fleet.accept(judged(Healthy, Unknown, "", None));
    let health = |fleet: &Fleet| fleet.state.node("n4").unwrap().health.clone();
    assert!(health(&fleet).unhealthy_event_at.is_some());
    assert_eq!(health(&fleet).unhealthy_reports, 2);
    fleet.accept(clear("bad", ""));
    let left = health(&fleet);
    assert_eq!((&*left.rule, left.latched, left.verdict), ("nvml", true, Healthy));
    assert_eq!((left.unhealthy_event_at, left.unhealthy_reports), (None, 0));
}

/// Without it a node whose verdict was cleared a moment before would be drained for it, with nobody to end that.
#[test]
fn a_drain_for_a_verdict_needs_one() {
    let mut fleet = unhealthy_fleet();
    let node_id = "n4".to_owned();
    let drain = DrainNode { node_id, for_verdict: true, ..DrainNode::default() };
    assert_eq!(fleet.rejection(Kind::DrainNode(drain)).code(), RejectionCode::Stale);
    assert_eq!(fleet.status("n4"), NodeStatus::Active);
}
