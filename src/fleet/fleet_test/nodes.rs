//! Nodes: registration, the three facts, loss.

use navarch_proto::{
    api::{HealthStatus, NodeStatus, RegisterNodeRequest},
    fleet::{
        AcceptDrain, ApplyFleetSpec, ClearLost, CordonNode, DeclareLost, DrainNode, FinishDrain,
        ForgetNode, RecordDigest, RecordVerdict, RefuseDrain, RejectionCode, Settings,
        UncordonNode, proposal::Kind,
    },
};

use super::harness::{
    Fleet, START_MS, apply_spec, node_request, register, register_plain, spec, verdict,
};
use crate::Liveness;

fn cordon() -> Kind {
    Kind::CordonNode(CordonNode {
        node_id: "n".to_owned(),
        ..CordonNode::default()
    })
}

fn uncordon() -> Kind {
    Kind::UncordonNode(UncordonNode {
        node_id: "n".to_owned(),
        ..UncordonNode::default()
    })
}

fn drain() -> Kind {
    Kind::DrainNode(DrainNode {
        node_id: "n".to_owned(),
        ..DrainNode::default()
    })
}

fn judged(checks: HealthStatus, events: HealthStatus) -> Kind {
    Kind::RecordVerdict(verdict("n", checks, events))
}

fn declare_lost(fleet: &Fleet) -> DeclareLost {
    let node = fleet.state.node("n").unwrap();
    let seen = fleet.state.last_seen(node.number);
    DeclareLost {
        node_id: "n".to_owned(),
        last_seen_ms: seen.map_or(0, |seen| seen.at.as_ms()),
        node_revision: node.revision.0,
        reason: "silent".to_owned(),
    }
}

fn fleet_with_node() -> Fleet {
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

/// A retried registration that raised the incarnation would make the verdicts in between stale.
#[test]
fn one_request_id_raises_the_incarnation_once() {
    let mut fleet = Fleet::configured();
    fleet.accept(register(node_request("n", &[]), "id-1"));
    let revision = fleet.state.node("n").unwrap().revision;
    let applied = fleet.apply(register(node_request("n", &[]), "id-1"));
    assert!(applied.events.is_empty());
    assert_eq!(fleet.state.node("n").unwrap().incarnation, 1);
    assert_eq!(fleet.state.node("n").unwrap().revision, revision);
    fleet.accept(register(node_request("n", &[]), "id-2"));
    assert_eq!(fleet.state.node("n").unwrap().incarnation, 2);
    // Without an id each call is one of its own.
    fleet.accept(register_plain("n"));
    fleet.accept(register_plain("n"));
    assert_eq!(fleet.state.node("n").unwrap().incarnation, 4);
}

/// A registration without bounds fills every replica's memory.
#[test]
fn registrations_are_bounded() {
    let labels: Vec<(String, String)> = (0..65)
        .map(|number| (number.to_string(), String::new()))
        .collect();
    let labels: Vec<(&str, &str)> = labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let long = "x".repeat(1025);
    let gpu = node_request("n", &[]).gpus[0].clone();
    let base = || node_request("n", &[]);
    let cases: [(&str, RegisterNodeRequest, &str); 8] = [
        (
            "no id",
            RegisterNodeRequest {
                node_id: String::new(),
                ..base()
            },
            "empty",
        ),
        ("long id", node_request(&"x".repeat(257), &[]), "256"),
        (
            "control character",
            node_request("a\u{7}", &[]),
            "control character",
        ),
        (
            "labels",
            node_request("n", &labels),
            "65 labels; the limit is 64",
        ),
        (
            "long label",
            node_request("n", &[("key", &long)]),
            "limit is 1024",
        ),
        (
            "gpus",
            RegisterNodeRequest {
                gpus: vec![gpu; 65],
                ..base()
            },
            "limit is 64",
        ),
        (
            "provider",
            RegisterNodeRequest {
                provider: "x".repeat(257),
                ..base()
            },
            "256",
        ),
        ("pool", node_request("n", &[("pool", "a\nb")]), "pool name"),
    ];
    let mut fleet = Fleet::configured();
    for (name, request, expected) in cases {
        let rejection = fleet.rejection(register(request, ""));
        assert_eq!(rejection.code(), RejectionCode::Invalid, "{name}");
        assert!(
            rejection.message.contains(expected),
            "{name}: {}",
            rejection.message
        );
    }
}

/// One more node than the limit must be told the limit, and known nodes must still get in.
#[test]
fn nodes_are_capped() {
    let mut fleet = fleet_with_node();
    let settings = Settings {
        max_registered_nodes: 1,
        ..Settings::default()
    };
    let capped = navarch_proto::fleet::FleetSpec {
        settings: Some(settings),
        ..spec()
    };
    fleet.accept(apply_spec(capped));
    let rejection = fleet.rejection(register_plain("m"));
    assert_eq!(rejection.code(), RejectionCode::Exhausted);
    assert!(
        rejection.message.contains("the limit is 1"),
        "{}",
        rejection.message
    );
    fleet.accept(register_plain("n"));
    fleet.accept(Kind::ForgetNode(ForgetNode {
        node_id: "n".to_owned(),
    }));
    fleet.accept(register_plain("m"));
    assert_eq!(
        fleet.state.node("m").unwrap().number.0,
        2,
        "numbers are never used again"
    );
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
        Kind::RefuseDrain(RefuseDrain {
            node_id: node_id(),
            reason: String::new(),
            node_revision,
        })
    };
    let accept = |node_revision| {
        Kind::AcceptDrain(AcceptDrain {
            node_id: node_id(),
            node_revision,
        })
    };
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
    assert_eq!(
        fleet.state.node("n").unwrap().administrative.to_string(),
        "drained"
    );
    assert_eq!(fleet.reject(refuse(0)), RejectionCode::Precondition);
}

/// Two judges with different policies, or a judge of a node that was reinstalled since, must not both win.
#[test]
fn stale_verdicts_are_judged_again() {
    let mut fleet = fleet_with_node();
    let healthy = verdict("n", HealthStatus::Healthy, HealthStatus::Healthy);
    let old_policy = RecordVerdict {
        policy_revision: 1,
        ..healthy.clone()
    };
    assert_eq!(
        fleet.reject(Kind::RecordVerdict(old_policy)),
        RejectionCode::Stale
    );
    let old_node = RecordVerdict {
        node_incarnation: 0,
        ..healthy.clone()
    };
    assert_eq!(
        fleet.reject(Kind::RecordVerdict(old_node)),
        RejectionCode::Stale
    );
    let unknown_status = RecordVerdict {
        verdict: 9,
        ..healthy.clone()
    };
    assert_eq!(
        fleet.reject(Kind::RecordVerdict(unknown_status)),
        RejectionCode::Invalid
    );
    let unknown_node = RecordVerdict {
        node_id: "m".to_owned(),
        ..healthy.clone()
    };
    assert_eq!(
        fleet.reject(Kind::RecordVerdict(unknown_node)),
        RejectionCode::NotFound
    );
    let policy = navarch_proto::fleet::FleetSpec {
        policy_yaml: "x".to_owned(),
        ..spec()
    };
    fleet.accept(Kind::ApplyFleetSpec(ApplyFleetSpec {
        spec: Some(policy),
        only_if_unset: false,
    }));
    assert_eq!(fleet.state.policy_revision(), 1);
    assert_eq!(
        fleet.reject(Kind::RecordVerdict(healthy)),
        RejectionCode::Stale
    );
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

fn digest(at_ms: u64, numbers: &[u32], ages_ms: &[u32], utilization: &[u8]) -> Kind {
    Kind::RecordDigest(RecordDigest {
        at_ms,
        numbers: numbers.to_vec(),
        ages_ms: ages_ms.to_vec(),
        utilization: utilization.to_vec().into(),
    })
}

/// Digests that went back in time, or wrote under a forgotten node's number, would fake silence or life.
#[test]
fn digests_only_move_forward() {
    let mut fleet = fleet_with_node();
    let seen = |fleet: &Fleet| {
        let seen = fleet.state.last_seen(crate::NodeNumber(1))?;
        Some((seen.at.as_ms() - START_MS, seen.utilization))
    };
    fleet.advance(10_000);
    fleet.accept(digest(START_MS + 9000, &[1, 77], &[1000, 0], &[40, 255]));
    assert_eq!(seen(&fleet), Some((8000, Some(40))));
    fleet.accept(digest(START_MS + 9000, &[1], &[2000], &[50]));
    assert_eq!(seen(&fleet), Some((8000, Some(40))));
    fleet.accept(digest(START_MS + 99_000, &[1], &[0], &[255]));
    assert_eq!(
        seen(&fleet),
        Some((10_000, Some(40))),
        "never ahead of the log"
    );
    assert_eq!(fleet.state.last_seen(crate::NodeNumber(77)), None);
    for bad in [
        digest(START_MS, &[1, 1], &[0, 0], &[]),
        digest(START_MS, &[2, 1], &[0, 0], &[]),
        digest(START_MS, &[1, 2], &[0], &[]),
        digest(START_MS, &[1], &[0], &[1, 2]),
    ] {
        assert_eq!(fleet.reject(bad), RejectionCode::Invalid);
    }
    fleet.accept(Kind::ForgetNode(ForgetNode {
        node_id: "n".to_owned(),
    }));
    assert_eq!(seen(&fleet), None);
    fleet.check_indexes();
}

/// A node that beat while its loss was on its way through the log must not be lost.
#[test]
fn a_loss_is_refused_if_anything_moved() {
    let mut fleet = fleet_with_node();
    let looked = declare_lost(&fleet);
    fleet.accept(digest(START_MS, &[1], &[0], &[]));
    assert_eq!(
        fleet.reject(Kind::DeclareLost(looked)),
        RejectionCode::Stale
    );
    let looked = declare_lost(&fleet);
    fleet.accept(cordon());
    assert_eq!(
        fleet.reject(Kind::DeclareLost(looked)),
        RejectionCode::Stale
    );
    fleet.accept(Kind::DeclareLost(declare_lost(&fleet)));
    let node = fleet.state.node("n").unwrap();
    assert_eq!(
        (node.status(), node.health_status()),
        (NodeStatus::Unhealthy, HealthStatus::Unhealthy)
    );
    assert_eq!(
        node.health.verdict,
        HealthStatus::Unknown,
        "losing is not unhealthiness"
    );
    assert_eq!(fleet.state.nodes_wanting_attention().count(), 1);
}

/// A blip must heal by itself, but not by the heartbeat that the loss already knew of.
#[test]
fn a_later_heartbeat_clears_the_loss() {
    let mut fleet = fleet_with_node();
    fleet.accept(digest(START_MS, &[1], &[0], &[]));
    fleet.advance(90_000);
    fleet.accept(Kind::DeclareLost(declare_lost(&fleet)));
    let clear = |seen_ms| {
        Kind::ClearLost(ClearLost {
            node_id: "n".to_owned(),
            seen_ms,
        })
    };
    assert_eq!(fleet.reject(clear(START_MS)), RejectionCode::Stale);
    // The heartbeat was on its way while the loss was declared.
    fleet.accept(clear(START_MS + 89_999));
    let node = fleet.state.node("n").unwrap();
    assert_eq!(
        (node.status(), &node.liveness),
        (NodeStatus::Active, &Liveness::Beating)
    );
    let seen = fleet.state.last_seen(node.number).unwrap();
    assert_eq!(seen.at.as_ms(), START_MS + 89_999);
    let applied = fleet.apply(clear(START_MS + 90_000));
    assert!(applied.events.is_empty(), "clearing twice is no news");
}

/// Forgetting a node under which a machine runs would leave the machine to nobody.
#[test]
fn only_standalone_nodes_are_forgotten() {
    let mut fleet = Fleet::configured();
    fleet.accept(super::harness::order("i1", "a"));
    fleet.accept(super::harness::purchase("i1", "m1"));
    fleet.accept(register_plain("m1"));
    let forget = |id: &str| {
        Kind::ForgetNode(ForgetNode {
            node_id: id.to_owned(),
        })
    };
    assert_eq!(fleet.reject(forget("m1")), RejectionCode::Precondition);
    assert_eq!(fleet.reject(forget("m2")), RejectionCode::NotFound);
    fleet.accept(register_plain("m2"));
    fleet.accept(forget("m2"));
    assert!(fleet.state.node("m2").is_none());
    fleet.check_indexes();
}
