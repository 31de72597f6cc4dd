//! Instances that fail, end, or come too late.

use navarch_proto::{
    api::NodeStatus,
    fleet::{FailureKind, RejectionCode, RequestInstance, TerminateInstance, proposal::Kind},
};

use super::{
    harness::{
        Fleet, apply_spec, node_request, order, pool_spec, purchase, register, register_plain, spec,
    },
    instances::{fail, gone, instance_of, state_of, terminate},
};
use crate::{BackoffKey, InstanceState};

/// A machine that the provider answers for after all must be given back, not forgotten.
#[test]
fn late_machines_are_terminated() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(fail("i1", FailureKind::LaunchTimeout));
    assert_eq!(fleet.state.pool_counts("a").occupancy(), 0);
    fleet.accept(purchase("i1", "m1"));
    assert_eq!(state_of(&fleet, "i1"), InstanceState::Terminating);
    assert_eq!(fleet.state.instance_by_ref("cloud", "m1").unwrap().id.as_str(), "i1");
    assert_eq!(fleet.state.pool_counts("a").occupancy(), 1);
    fleet.accept(gone("i1"));
    fleet.accept(purchase("i1", "m2"));
    assert_eq!(state_of(&fleet, "i1"), InstanceState::Terminating);
    assert!(fleet.state.instance_by_ref("cloud", "m1").is_none());
    assert_eq!(fleet.state.find_instance("m2").unwrap().id.as_str(), "i1");
    fleet.check_indexes();
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
    assert_eq!(fleet.reject(Kind::TerminateInstance(stale)), RejectionCode::Stale);
    assert_eq!(fleet.reject(terminate("i9")), RejectionCode::NotFound);
    assert_eq!(fleet.reject(fail("i1", FailureKind::Unspecified)), RejectionCode::Invalid);
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
    assert!(refused.message.contains("max_nodes is 3"), "{}", refused.message);
    fleet.accept(purchase("i1", "m1"));
    fleet.accept(fail("i1", FailureKind::Stale));
    assert_eq!(fleet.reject(order("i4", "a")), RejectionCode::Exhausted, "failed with a machine");
    fleet.accept(terminate("i1"));
    assert_eq!(fleet.reject(order("i4", "a")), RejectionCode::Exhausted, "terminating");
    fleet.accept(gone("i1"));
    fleet.accept(order("i4", "a"));
    fleet.accept(fail("i2", FailureKind::LaunchTimeout));
    fleet.accept(order("i5", "a"));
    fleet.accept(purchase("i3", "m3"));
    fleet.accept(fail("i3", FailureKind::Vanished));
    assert_eq!(fleet.reject(terminate("i3")), RejectionCode::Precondition, "nothing to give back");
    fleet.accept(order("i6", "a"));
    // A lowered maximum stops purchases at once.
    let lowered = navarch_proto::fleet::FleetSpec { pools: vec![pool_spec("a", 0, 1)], ..spec() };
    fleet.accept(apply_spec(lowered));
    assert_eq!(fleet.reject(order("i7", "a")), RejectionCode::Exhausted);
    assert_eq!(fleet.state.pool_counts("a").occupancy(), 3);
    fleet.check_indexes();
}

/// A sold-out region that is asked again at once gets us banned, and one never asked again stays empty.
#[test]
fn capacity_failures_pause_and_purchases_end_the_pause() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(order("i2", "a"));
    fleet.accept(fail("i1", FailureKind::Capacity));
    assert_eq!(fleet.reject(order("i3", "a")), RejectionCode::Precondition);
    let Kind::RequestInstance(elsewhere) = order("i4", "a") else { unreachable!() };
    let elsewhere = RequestInstance { region: "us".to_owned(), ..elsewhere };
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
    assert_eq!((backoff.failures, backoff.until.as_ms()), (2, fleet.now_ms + 60_000));
    fleet.accept(purchase("i2", "m2"));
    assert_eq!(fleet.state.backoff(&key), None);
    fleet.accept(order("i5", "a"));
}

/// A refusal that paused nothing would be asked for again at once, for ever; a burst that paused many times over
/// would close a place for half an hour.
#[test]
fn every_final_refusal_pauses_and_a_burst_is_one() {
    for kind in [FailureKind::Capacity, FailureKind::Quota, FailureKind::Invalid] {
        let mut fleet = Fleet::configured();
        for id in ["i1", "i2"] {
            fleet.accept(order(id, "a"));
        }
        fleet.accept(fail("i1", kind));
        fleet.advance(10_000);
        fleet.accept(fail("i2", kind));
        let (_, backoff) = fleet.state.backoffs().next().unwrap();
        assert_eq!((backoff.failures, backoff.until.as_ms()), (1, fleet.now_ms + 20_000));
        assert_eq!(fleet.reject(order("i3", "a")), RejectionCode::Precondition);
    }
}

/// A node under a failed order is somebody else's machine; one under a vanished machine is no more.
#[test]
fn failures_reach_the_node() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(register(node_request("m1", &[("navarch.instance", "i1")]), ""));
    fleet.accept(fail("i1", FailureKind::LaunchTimeout));
    assert_eq!(instance_of(&fleet, "m1"), None);
    assert_eq!(fleet.status("m1"), NodeStatus::Active);
    fleet.accept(order("i2", "a"));
    fleet.accept(purchase("i2", "m2"));
    fleet.accept(register_plain("m2"));
    fleet.accept(fail("i2", FailureKind::Vanished));
    assert_eq!(fleet.status("m2"), NodeStatus::Terminated);
    fleet.check_indexes();
}
