//! The verdicts of one rule, cleared together.

use navarch_proto::{
    api::{HealthStatus, NodeStatus},
    fleet::{
        ClearRuleVerdicts, CordonNode, DrainNode, RecordVerdict, RejectionCode, proposal::Kind,
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
    fleet.accept(Kind::CordonNode(CordonNode { node_id: "n0".to_owned(), ..Default::default() }));
    let drain = |node_id: &str, reason: String| {
        let node_id = node_id.to_owned();
        Kind::DrainNode(DrainNode { node_id, reason, ..DrainNode::default() })
    };
    let reason = fleet.state.node("n1").unwrap().replacement_reason().to_string();
    fleet.accept(drain("n1", reason));
    fleet.accept(drain("n2", "rack 7 is moved".to_owned()));
    let events = fleet.state.last_event_index();
    assert_eq!(fleet.accept(clear("xid", "")).count, 3);
    let statuses = ["n0", "n1", "n2"].map(|id| fleet.status(id));
    assert_eq!(statuses, [NodeStatus::Cordoned, NodeStatus::Active, NodeStatus::Draining]);
    let kinds = fleet.kinds_since(events);
    // The workload system is told that n1 takes work again.
    assert_eq!(kinds, ["node-health-changed", "node-uncordoned", "node-health-changed"]);
}
