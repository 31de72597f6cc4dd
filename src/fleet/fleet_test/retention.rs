//! What is dropped, and when.

use navarch_proto::fleet::{
    DropExpired, FailInstance, FailureKind, RecordTermination, TerminateInstance, proposal::Kind,
};

use super::{
    harness::{Fleet, order, register_plain},
    instances::{give_up, running},
};
use crate::limits::RETAIN_REQUESTS_MS;

const DAY_MS: u64 = 24 * 3600 * 1000;

fn drop_expired() -> Kind {
    Kind::DropExpired(DropExpired {})
}

fn fail(id: &str, kind: FailureKind) -> Kind {
    let instance_id = id.to_owned();
    let kind = kind.into();
    Kind::FailInstance(FailInstance { instance_id, kind, ..FailInstance::default() })
}

/// Records that stayed would fill memory; records dropped early would forget a machine that costs money.
#[test]
fn finished_instances_go_after_a_day_with_their_nodes() {
    let mut fleet = Fleet::configured();
    for (id, machine) in [("i1", "m1"), ("i2", "m2")] {
        running(&mut fleet, id, machine);
    }
    fleet.accept(order("i3", "a"));
    fleet.accept(fail("i3", FailureKind::LaunchTimeout));
    give_up(&mut fleet, "i2", FailureKind::NodeLost);
    let instance_id = "i1".to_owned();
    fleet.accept(Kind::TerminateInstance(TerminateInstance {
        instance_id: instance_id.clone(),
        ..TerminateInstance::default()
    }));
    fleet.accept(Kind::RecordTermination(RecordTermination { instance_id }));
    assert_eq!(fleet.state.next_drop().unwrap().as_ms(), fleet.now_ms + DAY_MS);
    fleet.advance(DAY_MS - 1);
    assert_eq!(fleet.accept(drop_expired()).count, 0);
    fleet.advance(1);
    assert_eq!(fleet.accept(drop_expired()).count, 2);
    assert!(fleet.state.instance("i1").is_none() && fleet.state.instance("i3").is_none());
    assert!(fleet.state.node("m1").is_none());
    assert!(fleet.state.instance("i2").is_some(), "failed with a machine: kept until it is gone");
    assert!(fleet.state.node("m2").is_some());
    assert_eq!(fleet.state.next_drop(), None);
    fleet.check_indexes();
}

/// Outcomes and pauses are state, too: what nobody needs any more must go.
#[test]
fn requests_and_pauses_go() {
    let mut fleet = Fleet::configured();
    fleet.apply_request("id-1", 1, register_plain("n"));
    fleet.accept(order("i1", "a"));
    fleet.accept(fail("i1", FailureKind::Capacity));
    fleet.advance(RETAIN_REQUESTS_MS);
    assert_eq!(fleet.accept(drop_expired()).count, 1);
    assert_eq!(fleet.state.remembered_requests(), 0);
    fleet.advance(DAY_MS);
    assert_eq!(fleet.accept(drop_expired()).count, 2);
    assert_eq!(fleet.state.backoffs().count(), 0);
}
