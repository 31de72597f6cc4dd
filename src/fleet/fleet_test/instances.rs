//! Instances: orders, purchases, joins, failures, terminations.

use navarch_proto::{
    api::NodeStatus,
    fleet::{
        FailInstance, FailureKind, RecordPurchase, RecordTermination, RejectionCode,
        RequestInstance, TerminateInstance, proposal::Kind,
    },
};

use super::harness::{
    Fleet, apply_spec, node_request, order, pool_spec, purchase, register, register_plain, spec,
};
use crate::{BackoffKey, InstanceState};

fn fail(id: &str, kind: FailureKind) -> Kind {
    Kind::FailInstance(FailInstance {
        instance_id: id.to_owned(),
        kind: kind.into(),
        reason: "because".to_owned(),
        instance_revision: 0,
    })
}

fn terminate(id: &str) -> Kind {
    let instance_id = id.to_owned();
    Kind::TerminateInstance(TerminateInstance {
        instance_id,
        ..TerminateInstance::default()
    })
}

fn gone(id: &str) -> Kind {
    Kind::RecordTermination(RecordTermination {
        instance_id: id.to_owned(),
    })
}

fn state_of(fleet: &Fleet, id: &str) -> InstanceState {
    fleet.state.instance(id).unwrap().state
}

fn instance_of(fleet: &Fleet, node: &str) -> Option<String> {
    fleet
        .state
        .node(node)
        .unwrap()
        .instance_id
        .as_ref()
        .map(ToString::to_string)
}

/// The life of a machine, with what size and occupancy say at each step.
#[test]
fn from_order_to_gone() {
    let mut fleet = Fleet::configured();
    let figures = |fleet: &Fleet| {
        let counts = fleet.state.pool_counts("a");
        (state_of(fleet, "i1"), counts.size(), counts.occupancy())
    };
    fleet.accept(order("i1", "a"));
    assert_eq!(figures(&fleet), (InstanceState::Provisioning, 1, 1));
    fleet.accept(purchase("i1", "m1"));
    assert_eq!(figures(&fleet), (InstanceState::PendingRegistration, 1, 1));
    fleet.advance(5);
    fleet.accept(register(node_request("m1", &[("pool", "b")]), ""));
    assert_eq!(figures(&fleet), (InstanceState::Running, 1, 1));
    let node = fleet.state.node_of_instance("i1").unwrap();
    assert_eq!(
        (node.id.as_str(), node.pool.as_ref().unwrap().as_str()),
        ("m1", "a")
    );
    assert_eq!(fleet.state.nodes_in_pool("a").count(), 1);
    fleet.accept(terminate("i1"));
    assert_eq!(figures(&fleet), (InstanceState::Terminating, 0, 1));
    assert_eq!(
        fleet.status("m1"),
        NodeStatus::Active,
        "until its machine is gone"
    );
    fleet.accept(gone("i1"));
    assert_eq!(figures(&fleet), (InstanceState::Terminated, 0, 0));
    assert_eq!(fleet.status("m1"), NodeStatus::Terminated);
    let info = fleet
        .state
        .instance_info(fleet.state.instance("i1").unwrap());
    assert_eq!(
        (info.provider_ref.as_str(), info.node_id.as_str()),
        ("m1", "m1")
    );
    assert_eq!(info.labels["team"], "x");
    assert!(info.ready_at.is_some() && info.terminated_at.is_some());
    fleet.check_indexes();
}

/// An agent that is faster than the provider's answer must not become somebody else's machine.
#[test]
fn an_agent_may_be_faster_than_the_purchase() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(register_plain("m1"));
    assert_eq!(instance_of(&fleet, "m1"), None);
    fleet.accept(purchase("i1", "m1"));
    assert_eq!(instance_of(&fleet, "m1").as_deref(), Some("i1"));
    assert_eq!(state_of(&fleet, "i1"), InstanceState::Running);
    // With the label it is joined at once, and runs when the purchase agrees.
    fleet.accept(order("i2", "a"));
    fleet.accept(register(
        node_request("m2", &[("navarch.instance", "i2")]),
        "",
    ));
    assert_eq!(instance_of(&fleet, "m2").as_deref(), Some("i2"));
    assert_eq!(state_of(&fleet, "i2"), InstanceState::Provisioning);
    fleet.accept(purchase("i2", "m2"));
    assert_eq!(state_of(&fleet, "i2"), InstanceState::Running);
    fleet.check_indexes();
}

/// An agent with a wrong label must not keep the place of the machine that was bought.
#[test]
fn a_purchase_undoes_a_mismatched_join() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    let labels = [("navarch.instance", "i1"), ("pool", "b")];
    fleet.accept(register(node_request("stranger", &labels), ""));
    fleet.accept(register_plain("m1"));
    let before = fleet.state.last_event_index();
    fleet.accept(purchase("i1", "m1"));
    assert_eq!(instance_of(&fleet, "stranger"), None);
    assert_eq!(
        fleet
            .state
            .node("stranger")
            .unwrap()
            .pool
            .as_ref()
            .unwrap()
            .as_str(),
        "b"
    );
    assert_eq!(instance_of(&fleet, "m1").as_deref(), Some("i1"));
    assert_eq!(
        fleet.kinds_since(before),
        [
            "instance-bought",
            "node-unjoined",
            "node-joined",
            "instance-running"
        ]
    );
    // The label of a machine that is known to be another is not believed.
    fleet.accept(register(node_request("stranger", &labels), ""));
    assert_eq!(instance_of(&fleet, "stranger"), None);
    fleet.check_indexes();
}

/// Two agents with one label must not share an instance; a third provider's machine is nobody's.
#[test]
fn an_instance_has_one_node() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(register(
        node_request("m1", &[("navarch.instance", "i1")]),
        "",
    ));
    fleet.accept(register(
        node_request("m2", &[("navarch.instance", "i1")]),
        "",
    ));
    assert_eq!(instance_of(&fleet, "m2"), None);
    fleet.accept(purchase("i1", "m1"));
    let mut other_cloud = node_request("m3", &[]);
    other_cloud.provider = "other".to_owned();
    fleet.accept(order("i3", "a"));
    fleet.accept(register(other_cloud, ""));
    fleet.accept(purchase("i3", "m3"));
    assert_eq!(instance_of(&fleet, "m3"), None);
    assert_eq!(state_of(&fleet, "i3"), InstanceState::PendingRegistration);
}

/// While its order is open the agent may correct its label; afterwards the join stands.
#[test]
fn a_join_follows_the_label_until_the_purchase() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(order("i2", "b"));
    let named = |id: &str| register(node_request("m1", &[("navarch.instance", id)]), "");
    fleet.accept(named("i1"));
    fleet.accept(named("i2"));
    assert_eq!(instance_of(&fleet, "m1").as_deref(), Some("i2"));
    assert_eq!(fleet.state.instance("i1").unwrap().node_id, None);
    fleet.accept(purchase("i2", "m1"));
    fleet.accept(named("i1"));
    assert_eq!(instance_of(&fleet, "m1").as_deref(), Some("i2"));
    fleet.accept(register_plain("m1"));
    assert_eq!(instance_of(&fleet, "m1").as_deref(), Some("i2"));
    assert_eq!(
        fleet
            .state
            .node("m1")
            .unwrap()
            .pool
            .as_ref()
            .unwrap()
            .as_str(),
        "b"
    );
    fleet.check_indexes();
}

/// An agent on a machine that is being given back would look like capacity.
#[test]
fn nodes_of_ending_instances_are_refused() {
    let mut fleet = Fleet::configured();
    for (id, machine) in [("i1", "m1"), ("i2", "m2")] {
        fleet.accept(order(id, "a"));
        fleet.accept(purchase(id, machine));
    }
    fleet.accept(register_plain("m1"));
    fleet.accept(terminate("i1"));
    fleet.accept(fail("i2", FailureKind::Stale));
    for (machine, word) in [("m1", "terminating"), ("m2", "failed (because)")] {
        let rejection = fleet.rejection(register_plain(machine));
        assert_eq!(rejection.code(), RejectionCode::Precondition);
        assert!(rejection.message.contains(word), "{}", rejection.message);
    }
    fleet.accept(gone("i1"));
    assert_eq!(
        fleet.reject(register_plain("m1")),
        RejectionCode::Precondition
    );
    let labelled = node_request("m9", &[("navarch.instance", "i1")]);
    fleet.accept(register(labelled, ""));
    assert_eq!(instance_of(&fleet, "m9"), None, "i1's machine is m1");
}

/// A machine that the provider answers for after all must be given back, not forgotten.
#[test]
fn late_machines_are_terminated() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(fail("i1", FailureKind::LaunchTimeout));
    assert_eq!(fleet.state.pool_counts("a").occupancy(), 0);
    fleet.accept(purchase("i1", "m1"));
    assert_eq!(state_of(&fleet, "i1"), InstanceState::Terminating);
    assert_eq!(
        fleet
            .state
            .instance_by_ref("cloud", "m1")
            .unwrap()
            .id
            .as_str(),
        "i1"
    );
    assert_eq!(fleet.state.pool_counts("a").occupancy(), 1);
    fleet.accept(gone("i1"));
    fleet.accept(purchase("i1", "m2"));
    assert_eq!(state_of(&fleet, "i1"), InstanceState::Terminating);
    assert!(fleet.state.instance_by_ref("cloud", "m1").is_none());
    assert_eq!(fleet.state.find_instance("m2").unwrap().id.as_str(), "i1");
    fleet.check_indexes();
}

/// One order with two machines, or one machine under two orders, is money lost without a trace.
#[test]
fn one_order_is_one_machine() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(purchase("i1", "m1"));
    let repeated = fleet.apply(purchase("i1", "m1"));
    assert!(
        repeated.events.is_empty(),
        "the same answer twice is no news"
    );
    let before = fleet.state.last_event_index();
    assert_eq!(
        fleet.reject(purchase("i1", "m2")),
        RejectionCode::Precondition
    );
    fleet.accept(order("i2", "a"));
    assert_eq!(
        fleet.reject(purchase("i2", "m1")),
        RejectionCode::Precondition
    );
    assert_eq!(
        fleet.kinds_since(before),
        [
            "instance-transition-refused",
            "instance-requested",
            "instance-transition-refused"
        ]
    );
    // Once the machine is gone, its reference may come again.
    fleet.accept(terminate("i1"));
    fleet.accept(gone("i1"));
    fleet.accept(purchase("i2", "m1"));
    assert_eq!(
        fleet
            .state
            .instance_by_ref("cloud", "m1")
            .unwrap()
            .id
            .as_str(),
        "i2"
    );
    let price = RecordPurchase {
        price_per_hour: f64::NAN,
        ..RecordPurchase::default()
    };
    let price = RecordPurchase {
        instance_id: "i2".to_owned(),
        provider_ref: "m1".to_owned(),
        ..price
    };
    assert_eq!(
        fleet.reject(Kind::RecordPurchase(price)),
        RejectionCode::Invalid
    );
}

/// A controller that asks for the impossible must leave a trace, but not flood the journal.
#[test]
fn refused_transitions_are_journalled_once() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    let before = fleet.state.last_event_index();
    for _ in 0..3 {
        assert_eq!(fleet.reject(terminate("i1")), RejectionCode::Precondition);
    }
    assert_eq!(fleet.kinds_since(before), ["instance-transition-refused"]);
    let stale = TerminateInstance {
        instance_id: "i1".to_owned(),
        reason: String::new(),
        instance_revision: 99,
    };
    assert_eq!(
        fleet.reject(Kind::TerminateInstance(stale)),
        RejectionCode::Stale
    );
    assert_eq!(fleet.reject(terminate("i9")), RejectionCode::NotFound);
    assert_eq!(
        fleet.reject(fail("i1", FailureKind::Unspecified)),
        RejectionCode::Invalid
    );
    assert_eq!(fleet.kinds_since(before).len(), 1);
}

/// A purchase above the maximum is what `max_nodes` is there to prevent, whatever state the others are in.
#[test]
fn occupancy_bounds_purchases() {
    let mut fleet = Fleet::configured();
    for id in ["i1", "i2", "i3"] {
        fleet.accept(order(id, "a"));
    }
    let refused = fleet.rejection(order("i4", "a"));
    assert_eq!(refused.code(), RejectionCode::Exhausted);
    assert!(
        refused.message.contains("max_nodes is 3"),
        "{}",
        refused.message
    );
    fleet.accept(purchase("i1", "m1"));
    fleet.accept(fail("i1", FailureKind::Stale));
    assert_eq!(
        fleet.reject(order("i4", "a")),
        RejectionCode::Exhausted,
        "failed with a machine"
    );
    fleet.accept(terminate("i1"));
    assert_eq!(
        fleet.reject(order("i4", "a")),
        RejectionCode::Exhausted,
        "terminating"
    );
    fleet.accept(gone("i1"));
    fleet.accept(order("i4", "a"));
    fleet.accept(fail("i2", FailureKind::Quota));
    fleet.accept(order("i5", "a"));
    fleet.accept(purchase("i3", "m3"));
    fleet.accept(fail("i3", FailureKind::Vanished));
    assert_eq!(
        fleet.reject(terminate("i3")),
        RejectionCode::Precondition,
        "nothing to give back"
    );
    fleet.accept(order("i6", "a"));
    // A lowered maximum stops purchases at once.
    let lowered = navarch_proto::fleet::FleetSpec {
        pools: vec![pool_spec("a", 0, 1)],
        ..spec()
    };
    fleet.accept(apply_spec(lowered));
    assert_eq!(fleet.reject(order("i7", "a")), RejectionCode::Exhausted);
    assert_eq!(fleet.state.pool_counts("a").occupancy(), 3);
    fleet.check_indexes();
}

/// An order that names what there is not must be refused before the provider hears of it.
#[test]
fn bad_orders_are_refused() {
    let mut fleet = Fleet::configured();
    let Kind::RequestInstance(good) = order("i1", "a") else {
        unreachable!()
    };
    fleet.accept(order("b1", "b"));
    let cases = [
        (
            RequestInstance {
                instance_id: String::new(),
                ..good.clone()
            },
            RejectionCode::Invalid,
        ),
        (
            RequestInstance {
                pool: "c".to_owned(),
                ..good.clone()
            },
            RejectionCode::NotFound,
        ),
        (
            RequestInstance {
                provider: "x".to_owned(),
                ..good.clone()
            },
            RejectionCode::Precondition,
        ),
        (
            RequestInstance {
                replaces: "i9".to_owned(),
                ..good.clone()
            },
            RejectionCode::NotFound,
        ),
        (
            RequestInstance {
                replaces: "b1".to_owned(),
                ..good.clone()
            },
            RejectionCode::Invalid,
        ),
        (
            RequestInstance {
                request_body: vec![0; 65_537].into(),
                ..good.clone()
            },
            RejectionCode::Invalid,
        ),
        (
            RequestInstance {
                instance_id: "b1".to_owned(),
                ..good.clone()
            },
            RejectionCode::AlreadyExists,
        ),
    ];
    for (order, code) in cases {
        assert_eq!(
            fleet.reject(Kind::RequestInstance(order.clone())),
            code,
            "{order:?}"
        );
    }
    fleet.accept(Kind::RequestInstance(good));
    assert_eq!(&*fleet.state.instance("i1").unwrap().request_body, b"{}");
    assert_eq!(fleet.state.pool("a").unwrap().choices, 1);
}

/// A sold-out region that is asked again at once gets us banned, and one never asked again stays empty.
#[test]
fn capacity_failures_pause_and_purchases_end_the_pause() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(order("i2", "a"));
    fleet.accept(fail("i1", FailureKind::Capacity));
    assert_eq!(fleet.reject(order("i3", "a")), RejectionCode::Precondition);
    let Kind::RequestInstance(elsewhere) = order("i4", "a") else {
        unreachable!()
    };
    let elsewhere = RequestInstance {
        region: "us".to_owned(),
        ..elsewhere
    };
    fleet.accept(Kind::RequestInstance(elsewhere));
    fleet.advance(30_000);
    fleet.accept(order("i3", "a"));
    fleet.accept(fail("i3", FailureKind::Capacity));
    let key = BackoffKey {
        provider: crate::ProviderName::new("cloud").unwrap(),
        region: "eu".into(),
        instance_type: "h100".into(),
    };
    let backoff = fleet.state.backoff(&key).unwrap();
    assert_eq!(
        (backoff.failures, backoff.until.as_ms()),
        (2, fleet.now_ms + 60_000)
    );
    fleet.accept(purchase("i2", "m2"));
    assert_eq!(fleet.state.backoff(&key), None);
    fleet.accept(order("i5", "a"));
}

/// A node under a failed order is somebody else's machine; one under a vanished machine is no more.
#[test]
fn failures_reach_the_node() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(register(
        node_request("m1", &[("navarch.instance", "i1")]),
        "",
    ));
    fleet.accept(fail("i1", FailureKind::Invalid));
    assert_eq!(instance_of(&fleet, "m1"), None);
    assert_eq!(fleet.status("m1"), NodeStatus::Active);
    fleet.accept(order("i2", "a"));
    fleet.accept(purchase("i2", "m2"));
    fleet.accept(register_plain("m2"));
    fleet.accept(fail("i2", FailureKind::Vanished));
    assert_eq!(fleet.status("m2"), NodeStatus::Terminated);
    fleet.check_indexes();
}
