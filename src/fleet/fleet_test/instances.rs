//! Instances: orders, purchases, joins, failures, terminations.

use navarch_proto::{
    api::{HealthStatus, NodeStatus},
    fleet::{
        DeclareLost, FailInstance, FailureKind, RecordPurchase, RecordTermination, RejectionCode,
        RequestInstance, TerminateInstance, proposal::Kind,
    },
};

use super::harness::{Fleet, node_request, order, purchase, register, register_plain, verdict};
use crate::InstanceState;

pub(super) fn fail(id: &str, kind: FailureKind) -> Kind {
    Kind::FailInstance(FailInstance {
        instance_id: id.to_owned(),
        kind: kind.into(),
        reason: "because".to_owned(),
        instance_revision: 0,
    })
}

/// An instance of pool `a` whose agent has registered on its machine.
pub(super) fn running(fleet: &mut Fleet, id: &str, machine: &str) {
    fleet.accept(order(id, "a"));
    fleet.accept(purchase(id, machine));
    fleet.accept(register_plain(machine));
}

/// Fails a running instance for its node, which is lost or found unhealthy before.
pub(super) fn give_up(fleet: &mut Fleet, id: &str, kind: FailureKind) {
    let node = fleet.state.node_of_instance(id).unwrap();
    let (node_id, node_revision) = (node.id.as_str().to_owned(), node.revision.0);
    let seen = match kind {
        FailureKind::NodeLost => {
            let seen = fleet.state.last_seen(node.number);
            let last_seen_ms = seen.map_or(0, |seen| seen.at.as_ms());
            let reason = "silent".to_owned();
            Kind::DeclareLost(DeclareLost { node_id, last_seen_ms, node_revision, reason })
        }
        _ => Kind::RecordVerdict(verdict(&node_id, HealthStatus::Unhealthy, HealthStatus::Unknown)),
    };
    fleet.accept(seen);
    fleet.accept(fail(id, kind));
}

pub(super) fn terminate(id: &str) -> Kind {
    let instance_id = id.to_owned();
    Kind::TerminateInstance(TerminateInstance { instance_id, ..TerminateInstance::default() })
}

pub(super) fn gone(id: &str) -> Kind {
    Kind::RecordTermination(RecordTermination { instance_id: id.to_owned() })
}

pub(super) fn state_of(fleet: &Fleet, id: &str) -> InstanceState {
    fleet.state.instance(id).unwrap().state
}

pub(super) fn instance_of(fleet: &Fleet, node: &str) -> Option<String> {
    fleet.state.node(node).unwrap().instance_id.as_ref().map(ToString::to_string)
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
    assert_eq!((node.id.as_str(), node.pool.as_ref().unwrap().as_str()), ("m1", "a"));
    assert_eq!(fleet.state.nodes_in_pool("a").count(), 1);
    fleet.accept(terminate("i1"));
    assert_eq!(figures(&fleet), (InstanceState::Terminating, 0, 1));
    assert_eq!(fleet.status("m1"), NodeStatus::Active, "until its machine is gone");
    fleet.accept(gone("i1"));
    assert_eq!(figures(&fleet), (InstanceState::Terminated, 0, 0));
    assert_eq!(fleet.status("m1"), NodeStatus::Terminated);
    let info = fleet.state.instance_info(fleet.state.instance("i1").unwrap());
    assert_eq!((info.provider_ref.as_str(), info.node_id.as_str()), ("m1", "m1"));
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
    fleet.accept(register(node_request("m2", &[("navarch.instance", "i2")]), ""));
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
    assert_eq!(fleet.state.node("stranger").unwrap().pool.as_ref().unwrap().as_str(), "b");
    assert_eq!(instance_of(&fleet, "m1").as_deref(), Some("i1"));
    assert_eq!(
        fleet.kinds_since(before),
        ["instance-bought", "node-unjoined", "node-joined", "instance-running"]
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
    fleet.accept(register(node_request("m1", &[("navarch.instance", "i1")]), ""));
    fleet.accept(register(node_request("m2", &[("navarch.instance", "i1")]), ""));
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
    assert_eq!(fleet.state.node("m1").unwrap().pool.as_ref().unwrap().as_str(), "b");
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
    assert_eq!(fleet.reject(register_plain("m1")), RejectionCode::Precondition);
    let labelled = node_request("m9", &[("navarch.instance", "i1")]);
    fleet.accept(register(labelled, ""));
    assert_eq!(instance_of(&fleet, "m9"), None, "i1's machine is m1");
}

/// One order with two machines, or one machine under two orders, is money lost without a trace.
#[test]
fn one_order_is_one_machine() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(purchase("i1", "m1"));
    let repeated = fleet.apply(purchase("i1", "m1"));
    assert!(repeated.events.is_empty(), "the same answer twice is no news");
    let before = fleet.state.last_event_index();
    assert_eq!(fleet.reject(purchase("i1", "m2")), RejectionCode::Precondition);
    fleet.accept(order("i2", "a"));
    assert_eq!(fleet.reject(purchase("i2", "m1")), RejectionCode::Precondition);
    assert_eq!(
        fleet.kinds_since(before),
        ["instance-transition-refused", "instance-requested", "instance-transition-refused"]
    );
    // Once the machine is gone, its reference may come again.
    fleet.accept(terminate("i1"));
    fleet.accept(gone("i1"));
    fleet.accept(purchase("i2", "m1"));
    assert_eq!(fleet.state.instance_by_ref("cloud", "m1").unwrap().id.as_str(), "i2");
    let price = RecordPurchase { price_per_hour: f64::NAN, ..RecordPurchase::default() };
    let price =
        RecordPurchase { instance_id: "i2".to_owned(), provider_ref: "m1".to_owned(), ..price };
    assert_eq!(fleet.reject(Kind::RecordPurchase(price)), RejectionCode::Invalid);
}

/// An order that names what there is not must be refused before the provider hears of it.
#[test]
fn bad_orders_are_refused() {
    let mut fleet = Fleet::configured();
    let Kind::RequestInstance(good) = order("i1", "a") else { unreachable!() };
    fleet.accept(order("b1", "b"));
    let text = str::to_owned;
    let mut refused = |change: &dyn Fn(&mut RequestInstance)| {
        let mut bad = good.clone();
        change(&mut bad);
        fleet.reject(Kind::RequestInstance(bad))
    };
    assert_eq!(refused(&|bad| bad.instance_id.clear()), RejectionCode::Invalid);
    assert_eq!(refused(&|bad| bad.instance_id = text("b1")), RejectionCode::AlreadyExists);
    assert_eq!(refused(&|bad| bad.pool = text("c")), RejectionCode::NotFound);
    assert_eq!(refused(&|bad| bad.provider = text("x")), RejectionCode::Precondition);
    assert_eq!(refused(&|bad| bad.replaces = text("i9")), RejectionCode::NotFound);
    assert_eq!(refused(&|bad| bad.replaces = text("b1")), RejectionCode::Invalid);
    assert_eq!(refused(&|bad| bad.request_body = vec![0; 65_537].into()), RejectionCode::Invalid);
    fleet.accept(Kind::RequestInstance(good));
    assert_eq!(&*fleet.state.instance("i1").unwrap().request_body, b"{}");
    assert_eq!(fleet.state.pool("a").unwrap().choices, 1);
}

/// The instance's own revision tells nothing of its node: without it a machine that beats again, or that an operator cleared,
/// would be ended by a plan of a moment before.
#[test]
fn a_node_that_is_well_again_keeps_its_machine() {
    let mut fleet = Fleet::configured();
    running(&mut fleet, "i1", "m1");
    for kind in [FailureKind::NodeLost, FailureKind::NodeUnhealthy] {
        assert_eq!(fleet.reject(fail("i1", kind)), RejectionCode::Stale, "{kind:?}");
    }
    fleet.accept(Kind::RecordVerdict(verdict(
        "m1",
        HealthStatus::Unhealthy,
        HealthStatus::Unknown,
    )));
    assert_eq!(fleet.reject(fail("i1", FailureKind::NodeLost)), RejectionCode::Stale);
    fleet.accept(fail("i1", FailureKind::NodeUnhealthy));
}
