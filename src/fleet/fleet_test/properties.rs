//! What holds after every step of every history.

use std::sync::Arc;

use navarch_proto::fleet::{Envelope, outcome::Result as OutcomeResult, proposal::Kind};
use proptest::prelude::*;

use super::{
    harness::Fleet,
    steps::{Step, step},
};
use crate::{Applied, FleetState, Instance};

pub(super) fn is_accepted(applied: &Applied) -> bool {
    matches!(applied.outcome.result, Some(OutcomeResult::Accepted(_)))
}

/// The records' hash: without time, journal and remembered outcomes.
pub(super) fn records(state: &FleetState) -> [u8; 32] {
    let blank = FleetState::default();
    let records = FleetState {
        log_time: blank.log_time,
        journal: blank.journal,
        requests: blank.requests,
        ..state.clone()
    };
    records.hash()
}

/// Every node's join is known to its instance, and an instance's node that is on record knows it, too.
pub(super) fn check_joins(state: &FleetState) {
    for node in state.nodes() {
        if let Some(id) = &node.instance_id {
            let instance = state.instance(id.as_str()).expect("a joined instance is on record");
            assert_eq!(instance.node_id.as_ref(), Some(&node.id));
            assert_eq!(node.pool.as_ref(), Some(&instance.pool));
        }
    }
    for instance in state.instances() {
        if state.node_of_instance(instance.id.as_str()).is_none() {
            assert!(instance.node_id.is_none() || !instance.is_live());
        }
    }
}

/// A machine that counts one with its replacement has one.
fn check_replacements(state: &FleetState) {
    for instance in state.instances().filter(|instance| instance.is_being_replaced()) {
        let by = instance.replaced_by.as_ref().and_then(|by| state.instance(by.as_str()));
        let by = by.expect("a replacement is on record");
        assert!(by.is_live() && by.replaces.as_ref() == Some(&instance.id), "{by:?}");
    }
}

/// Every machine that is expected to be there can be given back, and what leaves asks for nothing.
fn check_retirement(state: &FleetState) {
    // The machine of an order that came to nothing may turn up when nothing waits for it any more.
    let expected = |one: &&Arc<Instance>| {
        let is_late = &*one.status_message == "its machine turned up late";
        one.is_live() || (one.may_have_machine() && !is_late)
    };
    for instance in state.instances().filter(expected) {
        assert!(state.provider_spec(instance.provider.as_str()).is_some(), "{instance:?}");
        // An orphan's pool is whatever its label says.
        let is_orphan = instance.id.as_str().starts_with('o');
        assert!(is_orphan || state.pool(instance.pool.as_str()).is_some(), "{instance:?}");
    }
    for pool in state.pools() {
        let spec = state.pool_spec(pool.name.as_str()).expect("a pool is configured");
        let counts = state.pool_counts(pool.name.as_str());
        assert!((spec.min_nodes..=spec.max_nodes).contains(&pool.target), "{pool:?}");
        assert!(!spec.retiring || (pool.target, counts.being_replaced) == (0, 0), "{pool:?}");
    }
}

fn check_journal(state: &FleetState, applied: &Applied, last_before: u64) {
    let indexes: Vec<u64> = state.events_since(0, usize::MAX).map(|event| event.index).collect();
    let expected: Vec<u64> = (state.first_event_index()..=state.last_event_index()).collect();
    assert_eq!(indexes, expected, "contiguous");
    let told: Vec<u64> = applied.events.iter().map(|event| event.index).collect();
    let new: Vec<u64> = (last_before + 1..=state.last_event_index()).collect();
    assert_eq!(told, new, "what apply tells is what the journal gained");
}

fn check_order(fleet: &Fleet, envelope: &Envelope) {
    let kind = envelope.proposal.as_ref().and_then(|proposal| proposal.kind.as_ref());
    let Some(Kind::RequestInstance(order)) = kind else {
        return;
    };
    // An answer from memory ordered nothing.
    let Some(instance) = fleet.state.instance(&order.instance_id) else {
        return;
    };
    if instance.revision.0 == 1 && instance.created_at == fleet.state.log_time() {
        let occupancy = fleet.state.pool_counts(instance.pool.as_str()).occupancy();
        let limit = fleet.state.pool_spec(instance.pool.as_str()).map_or(0, |spec| spec.max_nodes);
        assert!(occupancy <= limit, "{occupancy} > {limit}");
    }
}

fn run(fleet: &mut Fleet, step: &Step) -> Applied {
    let envelope = step.envelope(fleet);
    let before = fleet.state.clone();
    let applied = fleet.apply_envelope(&envelope);
    assert!(fleet.state.log_time() >= before.log_time());
    if is_accepted(&applied) {
        check_order(fleet, &envelope);
    } else {
        assert_eq!(records(&fleet.state), records(&before), "rejected: {applied:?}");
    }
    fleet.check_indexes();
    check_joins(&fleet.state);
    check_replacements(&fleet.state);
    check_retirement(&fleet.state);
    check_journal(&fleet.state, &applied, before.last_event_index());
    applied
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any history that broke one of these would make replicas differ, overspend, or lie about the past.
    #[test]
    fn histories_keep_the_invariants(
        steps in prop::collection::vec(step(), 1..160),
        cut in 0..160_usize,
    ) {
        let mut fleet = Fleet::configured();
        let mut restored: Option<Fleet> = None;
        for (place, step) in steps.iter().enumerate() {
            if place == cut {
                let mut bytes = Vec::new();
                fleet.state.write_snapshot(&mut bytes).unwrap();
                let state = FleetState::read_snapshot(&mut bytes.as_slice()).unwrap();
                restored = Some(Fleet { state, ..fleet.clone() });
            }
            let applied = run(&mut fleet, step);
            if let Some(restored) = &mut restored {
                let envelope = step.envelope(restored);
                let again = restored.apply_envelope(&envelope);
                prop_assert_eq!(again, applied);
            }
        }
        if let Some(restored) = restored {
            prop_assert_eq!(restored.state.hash(), fleet.state.hash());
            restored.check_indexes();
        }
    }

    /// A foreign or damaged entry must stop the replica in good order, not crash it.
    #[test]
    fn any_bytes_are_applied_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut fleet = Fleet::configured();
        let before = fleet.state.hash();
        if fleet.state.apply(99, &bytes).is_err() {
            prop_assert_eq!(fleet.state.hash(), before);
        }
    }

    /// A clone is a view: what is applied afterwards must not show in it.
    #[test]
    fn views_stand_still(steps in prop::collection::vec(step(), 1..40)) {
        let mut fleet = Fleet::configured();
        for step in &steps {
            let view = fleet.state.clone();
            let hash = view.hash();
            let envelope = step.envelope(&mut fleet);
            fleet.apply_envelope(&envelope);
            prop_assert_eq!(view.hash(), hash);
        }
    }
}
