//! A fleet restored from a snapshot: what it refuses, what it takes up, and how that ends.

use std::collections::BTreeMap;

use navarch_proto::fleet::{
    AdoptMachine, BeginAdoption, ClearLost, DeclareLost, EndAdoption, FailInstance, FailureKind,
    RecordOrphan, RecordTermination, RejectionCode, ScalePool, SetPoolTarget, TerminateInstance,
    proposal::Kind,
};

use super::{
    harness::{Fleet, node_request, order, purchase, register, register_plain},
    instances::{give_up, running},
};
use crate::{FleetState, InstanceState};

fn begin() -> Kind {
    Kind::BeginAdoption(BeginAdoption {
        machine_tag: "cluster-1".to_owned(),
        snapshot_index: 7,
        restored_ms: 9,
    })
}

fn end() -> Kind {
    Kind::EndAdoption(EndAdoption {})
}

fn machine(id: &str, pool: &str, provider_ref: &str) -> AdoptMachine {
    AdoptMachine {
        instance_id: id.to_owned(),
        pool: pool.to_owned(),
        provider: "cloud".to_owned(),
        provider_ref: provider_ref.to_owned(),
        region: "eu".to_owned(),
        price_per_hour: 2.5,
        ..AdoptMachine::default()
    }
}

fn adopt(id: &str, pool: &str, provider_ref: &str) -> Kind {
    Kind::AdoptMachine(machine(id, pool, provider_ref))
}

fn terminate(id: &str) -> Kind {
    Kind::TerminateInstance(TerminateInstance {
        instance_id: id.to_owned(),
        ..TerminateInstance::default()
    })
}

fn state_of(fleet: &Fleet, id: &str) -> InstanceState {
    fleet.state.instance(id).unwrap().state
}

/// One running, one lost, one unanswered and one terminating instance of pool `a`.
fn restored() -> Fleet {
    let mut fleet = Fleet::configured();
    for id in ["i1", "i2", "i3"] {
        fleet.accept(order(id, "a"));
    }
    fleet.accept(purchase("i1", "m1"));
    fleet.accept(register_plain("m1"));
    fleet.accept(purchase("i3", "m3"));
    fleet.accept(terminate("i3"));
    fleet.accept(begin());
    fleet
}

/// Every verb that buys, gives back, gives up or scales, for [`restored`].
fn moves(node_revision: u64) -> BTreeMap<&'static str, Kind> {
    let fail = FailInstance {
        instance_id: "i2".to_owned(),
        kind: FailureKind::Capacity.into(),
        ..FailInstance::default()
    };
    let gone = RecordTermination { instance_id: "i3".to_owned() };
    let lost = DeclareLost { node_id: "m1".to_owned(), node_revision, ..DeclareLost::default() };
    let orphan = RecordOrphan {
        instance_id: "i9".to_owned(),
        pool: "b".to_owned(),
        provider: "cloud".to_owned(),
        provider_ref: "m9".to_owned(),
        ..RecordOrphan::default()
    };
    let target = SetPoolTarget { pool: "a".to_owned(), target: 2, ..SetPoolTarget::default() };
    BTreeMap::from([
        ("order", order("i9", "b")),
        ("purchase", purchase("i2", "m2")),
        ("fail", Kind::FailInstance(fail)),
        ("terminate", terminate("i1")),
        ("gone", Kind::RecordTermination(gone)),
        ("lost", Kind::DeclareLost(lost)),
        ("orphan", Kind::RecordOrphan(orphan)),
        ("target", Kind::SetPoolTarget(target)),
    ])
}

/// Without it some controller, an old leader or a retry could buy or terminate behind the operator's back.
#[test]
fn what_moves_the_fleet_is_refused_until_the_mode_ends() {
    let mut fleet = restored();
    let revision = fleet.state.node("m1").unwrap().revision.0;
    for (what, kind) in moves(revision) {
        let refused = fleet.rejection(kind);
        assert_eq!(refused.code(), RejectionCode::Precondition, "{what}");
        assert!(refused.message.contains("end-adoption"), "{what}: {}", refused.message);
    }
    // Agents are heard, and people may decide.
    fleet.accept(register_plain("m8"));
    let seen_ms = fleet.now_ms;
    fleet.accept(Kind::ClearLost(ClearLost { node_id: "m8".to_owned(), seen_ms }));
    fleet.accept(Kind::ScalePool(ScalePool { pool: "a".to_owned(), target: 3, hold_until_ms: 0 }));
    fleet.accept(end());
    assert!(fleet.state.adoption().is_none());
    for (what, kind) in moves(revision) {
        let outcome = fleet.apply(kind).outcome;
        let said = format!("{outcome:?}");
        assert!(!said.contains("adopt mode"), "{what}: {said}");
    }
    fleet.check_indexes();
}

/// Without it the machines of the time since the snapshot would belong to nobody, and cost money for ever.
#[test]
fn unknown_machines_become_records_once() {
    let mut fleet = restored();
    // Its agent was faster than the listing.
    fleet.accept(register(node_request("m7", &[("navarch.instance", "i7")]), ""));
    assert!(fleet.state.node("m7").unwrap().instance_id.is_none());
    let before = fleet.state.last_event_index();
    for _ in 0..2 {
        fleet.accept(adopt("i7", "b", "m7"));
    }
    assert_eq!(fleet.kinds_since(before), ["instance-adopted", "node-joined", "instance-running"]);
    assert_eq!(state_of(&fleet, "i7"), InstanceState::Running);
    // The order that the snapshot knows was answered after it.
    fleet.accept(adopt("i2", "a", "m2"));
    assert_eq!(state_of(&fleet, "i2"), InstanceState::PendingRegistration);
    fleet.accept(register_plain("m2"));
    assert_eq!(state_of(&fleet, "i2"), InstanceState::Running);
    assert_eq!(fleet.state.adoption().unwrap().adopted, 2);
    // Above the maximum of 2, too: the machines are there.
    for id in ["i10", "i11"] {
        fleet.accept(adopt(id, "b", &format!("m-{id}")));
    }
    assert_eq!(fleet.state.pool_counts("b").occupancy(), 3);
    fleet.check_indexes();
}

/// Without it an adopted machine would be given up for a GPU, which is a decision nobody has looked at.
#[test]
fn a_gpu_that_was_given_up_on_is_no_reason_while_the_fleet_stands_still() {
    let mut fleet = Fleet::configured();
    running(&mut fleet, "i1", "m1");
    give_up(&mut fleet, "i1", FailureKind::NodeUnhealthy);
    fleet.accept(begin());
    fleet.accept(adopt("i7", "a", "m7"));
    fleet.accept(register_plain("m7"));
    assert_eq!(state_of(&fleet, "i7"), InstanceState::Running);
}

/// Without it a listing that contradicts the records would overwrite them.
#[test]
fn what_contradicts_the_records_is_refused() {
    let mut fleet = restored();
    let table = [
        ("another machine of the order", adopt("i1", "a", "m9"), RejectionCode::Precondition),
        ("another order of the machine", adopt("i9", "a", "m1"), RejectionCode::AlreadyExists),
        ("an unknown pool", adopt("i9", "zzz", "m9"), RejectionCode::NotFound),
        ("no reference", adopt("i9", "a", ""), RejectionCode::Invalid),
        (
            "an unknown provider",
            Kind::AdoptMachine(AdoptMachine {
                provider: "nobody".to_owned(),
                ..machine("i9", "a", "m9")
            }),
            RejectionCode::Precondition,
        ),
        (
            "no price",
            Kind::AdoptMachine(AdoptMachine {
                price_per_hour: f64::NAN,
                ..machine("i9", "a", "m9")
            }),
            RejectionCode::Invalid,
        ),
    ];
    for (what, kind, code) in table {
        assert_eq!(fleet.reject(kind), code, "{what}");
    }
    let mut usual = Fleet::configured();
    assert_eq!(usual.reject(adopt("i9", "a", "m9")), RejectionCode::Precondition);
    assert_eq!(usual.reject(end()), RejectionCode::Precondition);
}

/// Without it machines that became records an hour ago would be given up in the moment that the mode ends.
#[test]
fn a_registration_is_waited_for_anew_when_the_mode_ends() {
    let mut fleet = restored();
    fleet.accept(adopt("i7", "b", "m7"));
    fleet.advance(3_600_000);
    fleet.accept(end());
    let since = fleet.state.instance("i7").unwrap().state_since;
    assert_eq!(since.as_ms(), fleet.now_ms);
}

/// Without it an operator would end the mode without knowing what follows.
#[test]
fn the_forecast_names_what_is_bought_and_given_back() {
    let mut fleet = restored();
    fleet.accept(adopt("i7", "b", "m7"));
    let forecast = fleet.state.forecast();
    let pools: Vec<_> = forecast
        .pools
        .iter()
        .map(|pool| (&*pool.name, pool.target, pool.size, pool.to_buy, pool.to_terminate))
        .collect();
    assert_eq!(pools, [("a", 1, 2, 0, 1), ("b", 0, 1, 0, 1)]);
    assert_eq!(forecast.pools[0].unanswered_orders, 1);
    assert_eq!(forecast.terminations.len(), 1, "{:?}", forecast.terminations);
    assert!(forecast.terminations[0].starts_with("i3 (terminating, machine m3 of cloud"));
    assert_eq!(forecast.unregistered.len(), 1, "{:?}", forecast.unregistered);
    fleet.accept(Kind::ScalePool(ScalePool { pool: "a".to_owned(), target: 3, hold_until_ms: 0 }));
    // Two of three places are taken, and one more by what is terminating: none is left.
    assert_eq!(fleet.state.forecast().pools[0].to_buy, 0);
}

/// Without it adopt mode or the machines' label would be lost with a restart, or an older build would drop them.
#[test]
fn mode_and_label_survive_a_snapshot_of_a_newer_format() {
    let mut fleet = restored();
    let format = |state: &FleetState| {
        let mut bytes = Vec::new();
        state.write_snapshot(&mut bytes).unwrap();
        // The first item's length, its tag and length, and then the header's first field.
        let at = bytes.iter().position(|byte| *byte == 0x08).unwrap();
        (bytes[at + 1], FleetState::read_snapshot(&mut bytes.as_slice()).unwrap())
    };
    let (number, read) = format(&fleet.state);
    assert_eq!((number, read.hash()), (2, fleet.state.hash()));
    assert_eq!(read.adoption(), fleet.state.adoption());
    fleet.accept(end());
    // A second restore keeps the label that the machines bear.
    fleet.accept(Kind::BeginAdoption(BeginAdoption {
        machine_tag: "group-2".to_owned(),
        ..BeginAdoption::default()
    }));
    let (_, read) = format(&fleet.state);
    assert_eq!(read.cluster_id("group-3"), "cluster-1");
    assert_eq!(Fleet::configured().state.cluster_id("group-3"), "group-3");
    assert_eq!(format(&Fleet::configured().state).0, 1);
}
