//! Pools and providers that a file leaves out while they have machines.

use navarch_proto::fleet::{
    ApplyFleetSpec, BeginAdoption, FailInstance, FailureKind, FleetSpec, PausePool, PoolProvider,
    PoolSpec, RecordTermination, RejectionCode, RemovePool, RemoveProvider, RequestInstance,
    ScalePool, SetPoolTarget, TerminateInstance, proposal::Kind,
};

use super::harness::{
    Fleet, apply_spec, node_request, order, pool_spec, provider_spec, purchase, register, spec,
};
use crate::FleetState;

/// The configuration without pool `b`.
fn without_b() -> FleetSpec {
    FleetSpec { pools: vec![pool_spec("a", 1, 3)], ..spec() }
}

fn forced(spec: FleetSpec) -> Kind {
    Kind::ApplyFleetSpec(ApplyFleetSpec { spec: Some(spec), only_if_unset: false, force: true })
}

fn remove(pool: &str) -> Kind {
    Kind::RemovePool(RemovePool { pool: pool.to_owned() })
}

fn remove_provider(provider: &str) -> Kind {
    Kind::RemoveProvider(RemoveProvider { provider: provider.to_owned() })
}

fn pause(paused: bool) -> Kind {
    Kind::PausePool(PausePool { pool: "b".to_owned(), paused, reason: String::new() })
}

/// A machine of pool `b` whose node is `m1`.
fn with_machine() -> Fleet {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "b"));
    fleet.accept(purchase("i1", "m1"));
    fleet.accept(register(node_request("m1", &[]), ""));
    fleet
}

/// A pool that retires, its machine still there.
fn retiring() -> Fleet {
    let mut fleet = with_machine();
    fleet.accept(forced(without_b()));
    fleet
}

fn give_back(fleet: &mut Fleet, id: &str) {
    let instance_id = id.to_owned();
    fleet.accept(Kind::TerminateInstance(TerminateInstance {
        instance_id: instance_id.clone(),
        ..TerminateInstance::default()
    }));
    fleet.accept(Kind::RecordTermination(RecordTermination { instance_id }));
}

/// Without it a slip in a file would take a pool's machines, or a removal that is meant would leave them to nobody.
#[test]
fn only_force_removes_a_pool_with_machines_and_its_machines_go_first() {
    let mut fleet = with_machine();
    let rejection = fleet.rejection(apply_spec(without_b()));
    for part in ["pool b", "1 instances", "--force"] {
        assert!(rejection.message.contains(part), "{part}: {}", rejection.message);
    }
    let before = fleet.state.last_event_index();
    let revision = fleet.accept(forced(without_b())).revision;
    assert_eq!(fleet.kinds_since(before), ["fleet-spec-applied", "pool-retiring"]);
    let pool = fleet.state.pool("b").unwrap();
    assert_eq!((pool.target, &*pool.reason), (0, "operator removed it from the configuration"));
    assert_eq!(fleet.reject(remove("b")), RejectionCode::Precondition, "its machine is there");
    give_back(&mut fleet, "i1");
    let before = fleet.state.last_event_index();
    assert_eq!(fleet.accept(remove("b")).revision, revision + 1);
    assert_eq!(fleet.kinds_since(before), ["pool-removed"]);
    assert!(fleet.state.pool("b").is_none() && fleet.state.pool_spec("b").is_none());
    assert_eq!(fleet.state.spec().unwrap().pools, without_b().pools);
    assert_eq!(fleet.reject(remove("b")), RejectionCode::NotFound);
}

/// Without it a second look at the same file would be refused, or told as a change.
#[test]
fn the_same_file_again_is_no_change() {
    let mut fleet = retiring();
    let before = (fleet.state.spec_revision(), fleet.state.last_event_index());
    for again in [apply_spec(without_b()), forced(without_b())] {
        fleet.accept(again);
        assert_eq!((fleet.state.spec_revision(), fleet.state.last_event_index()), before);
    }
    give_back(&mut fleet, "i1");
    fleet.accept(apply_spec(without_b()));
    assert!(fleet.state.pool("b").is_none(), "nothing is left to wait for");
}

/// Without it a pool on its way out would be bought for, or an operator's target would be swallowed.
#[test]
fn nobody_scales_or_buys_for_a_pool_that_retires() {
    let mut fleet = retiring();
    let scale = ScalePool { pool: "b".to_owned(), target: 0, hold_until_ms: 0 };
    let decide = SetPoolTarget { pool: "b".to_owned(), ..SetPoolTarget::default() };
    for kind in [Kind::ScalePool(scale), Kind::SetPoolTarget(decide), order("i2", "b")] {
        let rejection = fleet.rejection(kind);
        assert_eq!(rejection.code(), RejectionCode::Precondition);
        let expected =
            "pool b is being removed, 1 of its machines are left; apply a file that has it";
        assert!(rejection.message.contains(expected), "{}", rejection.message);
    }
    assert_eq!(fleet.reject(remove("a")), RejectionCode::Precondition, "it stays");
}

/// Without it a removal that was a mistake could not be taken back, or its pool would stay at nothing.
#[test]
fn a_file_that_has_the_pool_again_takes_it_back() {
    let mut fleet = retiring();
    let before = fleet.state.last_event_index();
    let wanted = pool_spec("b", 1, 2);
    let pools = vec![pool_spec("a", 1, 3), wanted.clone()];
    fleet.accept(apply_spec(FleetSpec { pools, ..spec() }));
    assert_eq!(fleet.kinds_since(before), ["fleet-spec-applied", "pool-changed"]);
    let pool = fleet.state.pool("b").unwrap();
    assert_eq!((pool.target, &*pool.reason), (1, "operator took it back into the configuration"));
    assert_eq!(fleet.state.pool_spec("b"), Some(&wanted));
    let scale = ScalePool { pool: "b".to_owned(), target: 2, hold_until_ms: 0 };
    fleet.accept(Kind::ScalePool(scale));
    fleet.accept(order("i2", "b"));
}

/// Without it a pool that was paused could never be removed, or nobody could stop a removal that goes wrong.
#[test]
fn a_pause_holds_a_removal_up_only_if_it_comes_later() {
    let mut fleet = with_machine();
    fleet.accept(pause(true));
    fleet.accept(forced(without_b()));
    assert!(!fleet.state.pool("b").unwrap().paused);
    fleet.accept(pause(true));
    assert!(fleet.state.pool("b").unwrap().paused);
}

/// Without it a machine whose replacement is on its way would wait for a replacer that leaves its pool alone.
#[test]
fn what_is_being_replaced_goes_with_the_others() {
    let mut fleet = with_machine();
    let Kind::RequestInstance(plain) = order("i2", "b") else { unreachable!() };
    let replaces = "i1".to_owned();
    fleet.accept(Kind::RequestInstance(RequestInstance { replaces, ..plain }));
    assert_eq!(fleet.state.pool_counts("b").size(), 1);
    let before = fleet.state.last_event_index();
    fleet.accept(forced(without_b()));
    assert!(fleet.kinds_since(before).contains(&"replacement-cancelled".to_owned()));
    assert_eq!(fleet.state.pool_counts("b").size(), 2, "each counts");
}

/// A pool that has one machine of each of two providers.
fn with_two_providers() -> (Fleet, FleetSpec) {
    let mut fleet = Fleet::configured();
    let entry = |name: &str| PoolProvider { name: name.to_owned(), ..PoolProvider::default() };
    let providers = vec![entry("cloud"), entry("spare")];
    let pools = vec![pool_spec("a", 1, 3), PoolSpec { providers, ..pool_spec("b", 0, 2) }];
    let both = vec![provider_spec("cloud"), provider_spec("spare")];
    let whole = FleetSpec { providers: both, pools, ..spec() };
    fleet.accept(apply_spec(whole.clone()));
    fleet.accept(order("i1", "b"));
    fleet.accept(purchase("i1", "m1"));
    let Kind::RequestInstance(plain) = order("i2", "b") else { unreachable!() };
    let provider = "spare".to_owned();
    fleet.accept(Kind::RequestInstance(RequestInstance { provider, ..plain }));
    fleet.accept(purchase("i2", "m2"));
    (fleet, whole)
}

/// Without it nobody could give a retiring pool's machines back, or the provider would stay for ever.
#[test]
fn a_provider_stays_until_the_machines_of_a_retiring_pool_are_gone() {
    let (mut fleet, _) = with_two_providers();
    let before = fleet.state.last_event_index();
    // The file has neither pool `b` nor provider `spare`.
    fleet.accept(forced(without_b()));
    let told = ["fleet-spec-applied", "provider-retiring", "pool-retiring"];
    assert_eq!(fleet.kinds_since(before), told);
    let spare = || fleet.state.provider_spec("spare");
    assert!(spare().unwrap().retiring && !fleet.state.provider_spec("cloud").unwrap().retiring);
    assert_eq!(fleet.reject(remove_provider("spare")), RejectionCode::Precondition);
    assert_eq!(fleet.reject(remove_provider("cloud")), RejectionCode::Precondition, "it stays");
    give_back(&mut fleet, "i2");
    let before = fleet.state.last_event_index();
    fleet.accept(remove_provider("spare"));
    assert_eq!(fleet.kinds_since(before), ["provider-removed"]);
    assert!(fleet.state.provider_spec("spare").is_none());
    assert_eq!(fleet.state.pool_counts("b").occupancy(), 1, "the other machine is still there");
    give_back(&mut fleet, "i1");
    fleet.accept(remove("b"));
}

/// Without it machines of a pool that stays would be left to a provider that nobody calls.
#[test]
fn a_provider_with_machines_of_a_pool_that_stays_is_refused_even_by_force() {
    let (mut fleet, whole) = with_two_providers();
    let pools = vec![pool_spec("a", 1, 3), pool_spec("b", 0, 2)];
    let without = FleetSpec { providers: vec![provider_spec("cloud")], pools, ..spec() };
    for (kind, part) in
        [(apply_spec(without.clone()), "--force"), (forced(without.clone()), "pool b")]
    {
        let rejection = fleet.rejection(kind);
        assert!(rejection.message.contains(part), "{}", rejection.message);
        assert!(rejection.message.contains("provider spare has 1"), "{}", rejection.message);
    }
    // One that is on its way out needs its provider, and nothing else.
    let failed = FailInstance {
        instance_id: "i2".to_owned(),
        kind: FailureKind::Stale.into(),
        ..FailInstance::default()
    };
    fleet.accept(Kind::FailInstance(failed));
    fleet.accept(forced(without));
    assert!(fleet.state.provider_spec("spare").unwrap().retiring);
    fleet.accept(apply_spec(whole.clone()));
    assert_eq!(**fleet.state.spec().unwrap(), whole, "taken back");
}

/// Without it a file could forge the mark, and a pool would leave the fleet unasked.
#[test]
fn a_file_cannot_mark_anything_as_retiring() {
    let mut fleet = Fleet::configured();
    let mut pools = spec().pools;
    pools[0].retiring = true;
    assert_eq!(fleet.reject(forced(FleetSpec { pools, ..spec() })), RejectionCode::Invalid);
    let mut providers = spec().providers;
    providers[0].retiring = true;
    assert_eq!(fleet.reject(forced(FleetSpec { providers, ..spec() })), RejectionCode::Invalid);
}

/// Without it machines that the snapshot does not know could not be adopted, since their pool has gone.
#[test]
fn a_restored_fleet_keeps_what_retires() {
    let mut fleet = retiring();
    give_back(&mut fleet, "i1");
    let mut bytes = Vec::new();
    fleet.state.write_snapshot(&mut bytes).unwrap();
    fleet.state = FleetState::read_snapshot(&mut bytes.as_slice()).unwrap();
    assert!(fleet.state.is_retiring("b"));
    fleet.accept(Kind::BeginAdoption(BeginAdoption {
        machine_tag: "tag".to_owned(),
        ..BeginAdoption::default()
    }));
    assert_eq!(fleet.reject(remove("b")), RejectionCode::Precondition);
    fleet.accept(Kind::EndAdoption(navarch_proto::fleet::EndAdoption {}));
    fleet.accept(remove("b"));
}

/// Without it a url that is changed by mistake would leave machines at the old cloud, paid for, and known to nobody.
#[test]
fn a_provider_with_machines_is_not_moved_to_another_cloud() {
    let moved = || {
        let mut moved = spec();
        for provider in &mut moved.providers {
            provider.url = "https://elsewhere".to_owned();
        }
        moved
    };
    let mut fleet = with_machine();
    let refused = fleet.rejection(apply_spec(moved()));
    for part in ["provider cloud has 1 instances", "https://elsewhere", "--force"] {
        assert!(refused.message.contains(part), "{part}: {}", refused.message);
    }
    fleet.accept(forced(moved()));
    fleet.accept(forced(spec()));
    give_back(&mut fleet, "i1");
    fleet.accept(apply_spec(moved()));
}
