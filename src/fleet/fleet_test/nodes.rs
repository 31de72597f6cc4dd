//! Nodes: registration, the three facts, loss.

use navarch_proto::{
    api::{HealthStatus, NodeStatus},
    fleet::{
        AcceptDrain, ApplyFleetSpec, CordonNode, DeclareLost, DrainNode, FinishDrain, ForgetNode,
        RecordVerdict, RefuseDrain, RejectionCode, UncordonNode, proposal::Kind,
    },
};

use super::harness::{Fleet, node_request, register, register_plain, spec, verdict};

pub(super) fn cordon() -> Kind {
    Kind::CordonNode(CordonNode { node_id: "n".to_owned(), ..CordonNode::default() })
}

fn uncordon() -> Kind {
    Kind::UncordonNode(UncordonNode { node_id: "n".to_owned(), ..UncordonNode::default() })
}

fn drain() -> Kind {
    Kind::DrainNode(DrainNode { node_id: "n".to_owned(), ..DrainNode::default() })
}

fn judged(checks: HealthStatus, events: HealthStatus) -> Kind {
    Kind::RecordVerdict(verdict("n", checks, events))
}

pub(super) fn declare_lost(fleet: &Fleet) -> DeclareLost {
    let node = fleet.state.node("n").unwrap();
    let seen = fleet.state.last_seen(node.number);
    DeclareLost {
        node_id: "n".to_owned(),
        last_seen_ms: seen.map_or(0, |seen| seen.at.as_ms()),
        node_revision: node.revision.0,
        reason: "silent".to_owned(),
    }
}

pub(super) fn fleet_with_node() -> Fleet {
    let mut fleet = Fleet::configured();
    fleet.accept(register_plain("n"));
    fleet
}

/// The original made every node active again when its agent restarted.
#[test]
fn registration_keeps_all_three_facts() {
    let mut fleet = fleet_with_node();
    fleet.accept(cordon());
    fleet.accept(judged(HealthStatus::Unknown, HealthStatus::Unhealthy));
    fleet.accept(Kind::DeclareLost(declare_lost(&fleet)));
    let before = fleet.state.node("n").unwrap().clone();
    let accepted = fleet.accept(register(node_request("n", &[("pool", "a")]), "again"));
    assert_eq!(accepted.node_status, i32::from(NodeStatus::Unhealthy));
    let after = fleet.state.node("n").unwrap();
    assert_eq!(after.administrative, before.administrative);
    assert_eq!(after.health, before.health);
    assert_eq!(after.liveness, before.liveness);
    assert_eq!((after.number, after.incarnation), (before.number, 2));
    fleet.check_indexes();
}

/// Operators rely on who may be uncordoned, and on what that clears.
#[test]
fn uncordon_lifts_cordon_drain_and_latch() {
    let mut fleet = fleet_with_node();
    assert_eq!(fleet.reject(uncordon()), RejectionCode::Precondition);
    for step in [cordon(), drain()] {
        fleet.accept(step);
        fleet.accept(uncordon());
        assert_eq!(fleet.status("n"), NodeStatus::Active);
    }
    fleet.accept(cordon());
    fleet.accept(judged(HealthStatus::Unhealthy, HealthStatus::Unknown));
    assert_eq!(fleet.status("n"), NodeStatus::Unhealthy);
    fleet.accept(judged(HealthStatus::Healthy, HealthStatus::Healthy));
    assert_eq!(fleet.status("n"), NodeStatus::Unhealthy, "latched");
    fleet.accept(uncordon());
    let node = fleet.state.node("n").unwrap();
    assert_eq!(node.status(), NodeStatus::Active);
    assert_eq!(node.health, crate::Health::default());
    // A silent node is not helped by it.
    fleet.accept(Kind::DeclareLost(declare_lost(&fleet)));
    assert_eq!(fleet.reject(uncordon()), RejectionCode::Precondition);
}

/// A drain must come back the way it went when the workload system says no, and only then.
#[test]
fn drains_are_accepted_refused_and_finished() {
    let mut fleet = fleet_with_node();
    fleet.accept(cordon());
    let revision = fleet.accept(drain()).revision;
    let node_id = || "n".to_owned();
    let refuse = |node_revision| {
        Kind::RefuseDrain(RefuseDrain { node_id: node_id(), reason: String::new(), node_revision })
    };
    let accept =
        |node_revision| Kind::AcceptDrain(AcceptDrain { node_id: node_id(), node_revision });
    assert_eq!(fleet.reject(refuse(revision - 1)), RejectionCode::Stale);
    assert_eq!(fleet.reject(accept(revision - 1)), RejectionCode::Stale);
    fleet.accept(refuse(revision));
    assert_eq!(fleet.status("n"), NodeStatus::Cordoned);
    assert_eq!(fleet.reject(accept(0)), RejectionCode::Precondition);
    let revision = fleet.accept(drain()).revision;
    let revision = fleet.accept(accept(revision)).revision;
    fleet.accept(Kind::FinishDrain(FinishDrain {
        node_id: node_id(),
        reason: "empty".to_owned(),
        node_revision: revision,
    }));
    assert_eq!(fleet.status("n"), NodeStatus::Draining);
    assert_eq!(fleet.state.node("n").unwrap().administrative.to_string(), "drained");
    assert_eq!(fleet.reject(refuse(0)), RejectionCode::Precondition);
}

/// Without it a report whose answer was lost, and that was sent again, would replace a machine at half the
/// configured count.
#[test]
fn a_repeated_report_counts_once() {
    let mut fleet = fleet_with_node();
    let unhealthy = verdict("n", HealthStatus::Unhealthy, HealthStatus::Unknown);
    let reported = |id: &str| {
        Kind::RecordVerdict(RecordVerdict { request_id: id.to_owned(), ..unhealthy.clone() })
    };
    for (id, count) in [("one", 1), ("one", 1), ("two", 2), ("two", 2), ("", 3), ("", 4)] {
        fleet.accept(reported(id));
        assert_eq!(fleet.state.node("n").unwrap().health.unhealthy_reports, count, "{id:?}");
    }
}

/// Two judges with different policies, or a judge of a node that was reinstalled since, must not both win.
#[test]
fn stale_verdicts_are_judged_again() {
    let mut fleet = fleet_with_node();
    let healthy = verdict("n", HealthStatus::Healthy, HealthStatus::Healthy);
    let old_policy = RecordVerdict { policy_revision: 1, ..healthy.clone() };
    assert_eq!(fleet.reject(Kind::RecordVerdict(old_policy)), RejectionCode::Stale);
    let old_node = RecordVerdict { node_incarnation: 0, ..healthy.clone() };
    assert_eq!(fleet.reject(Kind::RecordVerdict(old_node)), RejectionCode::Stale);
    let unknown_status = RecordVerdict { verdict: 9, ..healthy.clone() };
    assert_eq!(fleet.reject(Kind::RecordVerdict(unknown_status)), RejectionCode::Invalid);
    let unknown_node = RecordVerdict { node_id: "m".to_owned(), ..healthy.clone() };
    assert_eq!(fleet.reject(Kind::RecordVerdict(unknown_node)), RejectionCode::NotFound);
    let policy = navarch_proto::fleet::FleetSpec { policy_yaml: "x".to_owned(), ..spec() };
    fleet.accept(Kind::ApplyFleetSpec(ApplyFleetSpec {
        spec: Some(policy),
        ..ApplyFleetSpec::default()
    }));
    assert_eq!(fleet.state.policy_revision(), 1);
    assert_eq!(fleet.reject(Kind::RecordVerdict(healthy)), RejectionCode::Stale);
}

/// 130,000 healthy reports a minute must leave the journal readable.
#[test]
fn a_report_that_changes_nothing_is_no_event() {
    let mut fleet = fleet_with_node();
    fleet.accept(judged(HealthStatus::Healthy, HealthStatus::Healthy));
    let revision = fleet.state.node("n").unwrap().revision;
    let applied = fleet.apply(judged(HealthStatus::Healthy, HealthStatus::Healthy));
    assert!(applied.events.is_empty());
    assert_eq!(fleet.state.node("n").unwrap().revision, revision);
    // Counts go on after an event, without a word.
    fleet.accept(judged(HealthStatus::Unknown, HealthStatus::Unhealthy));
    fleet.accept(judged(HealthStatus::Healthy, HealthStatus::Unknown));
    let applied = fleet.apply(judged(HealthStatus::Healthy, HealthStatus::Unknown));
    assert!(applied.events.is_empty());
    assert_eq!(fleet.state.node("n").unwrap().health.unhealthy_reports, 3);
}

/// Forgetting a node under which a machine runs would leave the machine to nobody.
#[test]
fn only_standalone_nodes_are_forgotten() {
    let mut fleet = Fleet::configured();
    fleet.accept(super::harness::order("i1", "a"));
    fleet.accept(super::harness::purchase("i1", "m1"));
    fleet.accept(register_plain("m1"));
    let forget = |id: &str| Kind::ForgetNode(ForgetNode { node_id: id.to_owned() });
    assert_eq!(fleet.reject(forget("m1")), RejectionCode::Precondition);
    assert_eq!(fleet.reject(forget("m2")), RejectionCode::NotFound);
    fleet.accept(register_plain("m2"));
    fleet.accept(forget("m2"));
    assert!(fleet.state.node("m2").is_none());
    fleet.check_indexes();
}
