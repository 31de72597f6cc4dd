//! Pools and the fleet's configuration.

use navarch_proto::fleet::{
    ApplyFleetSpec, FleetSpec, HoldPool, PoolSpec, ProviderSpec, RejectionCode, ScalePool,
    SetPoolTarget, Settings, proposal::Kind,
};

use super::harness::{
    Fleet, apply_spec, node_request, order, pool_spec, provider_spec, purchase, register, spec,
};

fn scale(target: u32, hold_until_ms: u64) -> Kind {
    Kind::ScalePool(ScalePool { pool: "a".to_owned(), target, hold_until_ms })
}

fn decide(target: u32, reason: &str, pool_revision: u64) -> SetPoolTarget {
    SetPoolTarget {
        pool: "a".to_owned(),
        target,
        reason: reason.to_owned(),
        pool_revision,
        ..SetPoolTarget::default()
    }
}

/// Whoever scales by hand must get the target, within the limits, and the time without the autoscaler.
#[test]
fn operators_scale_within_limits() {
    let mut fleet = Fleet::configured();
    assert_eq!(fleet.state.pool("a").unwrap().target, 1, "the minimum");
    fleet.accept(scale(3, 99));
    let pool = fleet.state.pool("a").unwrap();
    assert_eq!((pool.target, pool.hold_until.unwrap().as_ms()), (3, 99));
    for target in [0, 4] {
        let rejection = fleet.rejection(scale(target, 0));
        assert_eq!(rejection.code(), RejectionCode::Invalid);
        assert!(rejection.message.contains("1 to 3"), "{}", rejection.message);
    }
    fleet.accept(scale(2, 0));
    assert_eq!(fleet.state.pool("a").unwrap().hold_until, None);
    let unknown = ScalePool { pool: "c".to_owned(), target: 1, hold_until_ms: 0 };
    assert_eq!(fleet.reject(Kind::ScalePool(unknown)), RejectionCode::NotFound);
}

/// An autoscaler that decided on old figures must decide again, and its reasons must be readable.
#[test]
fn decisions_carry_revision_reason_and_cooldown() {
    let mut fleet = Fleet::configured();
    let before = fleet.state.last_event_index();
    let revision = fleet.accept(Kind::SetPoolTarget(decide(2, "busy", 1))).revision;
    assert_eq!(fleet.reject(Kind::SetPoolTarget(decide(3, "busy", 1))), RejectionCode::Stale);
    assert_eq!(fleet.reject(Kind::SetPoolTarget(decide(9, "", revision))), RejectionCode::Invalid);
    let kept = Kind::SetPoolTarget(decide(2, "cooldown", revision));
    let revision = fleet.accept(kept.clone()).revision;
    let same = Kind::SetPoolTarget(decide(2, "cooldown", revision));
    assert_eq!(fleet.accept(same).revision, revision);
    assert_eq!(fleet.kinds_since(before), ["pool-decided"; 2], "once per change of reason");
    let cooling = SetPoolTarget { start_cooldown: true, ..decide(3, "busy", revision) };
    fleet.accept(Kind::SetPoolTarget(cooling));
    let pool = fleet.state.pool("a").unwrap();
    let until = fleet.now_ms + 300_000;
    assert_eq!([pool.cooldown.up, pool.cooldown.down].map(|at| at.unwrap().as_ms()), [until; 2]);
}

/// Without it a pool that may grow fast and shrink slowly would do both alike, or an event would not say which waits.
#[test]
fn up_and_down_cool_down_by_themselves() {
    let mut fleet = Fleet::configured();
    let scale_up_cooldown_ms = Some(60_000);
    let mut pools = spec().pools;
    pools[1].scale_up_cooldown_ms = scale_up_cooldown_ms;
    fleet.accept(apply_spec(FleetSpec { pools, ..spec() }));
    let revision = fleet.state.pool("a").unwrap().revision.0;
    let cooling = SetPoolTarget { start_cooldown: true, ..decide(2, "busy", revision) };
    fleet.accept(Kind::SetPoolTarget(cooling));
    let pool = fleet.state.pool("a").unwrap();
    let (up, down) = (fleet.now_ms + 60_000, fleet.now_ms + 300_000);
    assert_eq!([pool.cooldown.up, pool.cooldown.down].map(|at| at.unwrap().as_ms()), [up, down]);
    let last = fleet.state.events_since(0, usize::MAX).last().unwrap();
    let told: Vec<_> =
        last.changes.iter().map(|one| (one.field.as_str(), one.after.clone())).collect();
    assert_eq!(
        told[1..],
        [("scale_up_after_ms", up.to_string()), ("scale_down_after_ms", down.to_string())]
    );
    let mut bytes = Vec::new();
    fleet.state.write_snapshot(&mut bytes).unwrap();
    let restored = crate::FleetState::read_snapshot(&mut bytes.as_slice()).unwrap();
    assert_eq!(restored.pool("a"), fleet.state.pool("a"));
    let info = restored.pool_info(restored.pool("a").unwrap());
    assert_eq!(info.cooldown_until, info.scale_up_after, "the earlier one");
}

/// Why nothing is bought must be visible, and said once.
#[test]
fn holds_are_told_once() {
    let mut fleet = Fleet::configured();
    let before = fleet.state.last_event_index();
    for reason in ["ssh bootstrap is not built yet", "ssh bootstrap is not built yet", "", ""] {
        let reason = reason.to_owned();
        fleet.accept(Kind::HoldPool(HoldPool { pool: "a".to_owned(), reason }));
    }
    assert_eq!(fleet.kinds_since(before), ["pool-held", "pool-released"]);
}

/// A file of the first start must seed, and never take back what operators changed since.
#[test]
fn only_if_unset_seeds_once() {
    let mut fleet = Fleet::empty();
    let seed = || {
        let spec = Some(spec());
        Kind::ApplyFleetSpec(ApplyFleetSpec { spec, only_if_unset: true, force: false })
    };
    assert_eq!(fleet.accept(seed()).revision, 1);
    assert_eq!(fleet.reject(seed()), RejectionCode::AlreadyExists);
    let before = fleet.state.last_event_index();
    assert_eq!(fleet.accept(apply_spec(spec())).revision, 1, "the same again");
    assert_eq!(fleet.state.last_event_index(), before);
    assert_eq!(
        fleet.reject(Kind::ApplyFleetSpec(ApplyFleetSpec::default())),
        RejectionCode::Invalid
    );
}

/// A new file must not throw away targets, nor leave one outside its limits.
#[test]
fn known_pools_keep_their_target_within_the_new_limits() {
    let mut fleet = Fleet::configured();
    fleet.accept(scale(3, 0));
    let before = fleet.state.last_event_index();
    let revision = fleet.state.pool("a").unwrap().revision;
    let pools = vec![pool_spec("a", 0, 2), pool_spec("b", 0, 2), pool_spec("c", 2, 4)];
    fleet.accept(apply_spec(FleetSpec { pools, policy_yaml: "rules".to_owned(), ..spec() }));
    let target = |name: &str| fleet.state.pool(name).unwrap().target;
    assert_eq!((target("a"), target("b"), target("c")), (2, 0, 2));
    assert!(fleet.state.pool("a").unwrap().revision > revision);
    assert_eq!(fleet.state.pool("b").unwrap().revision.0, 1, "unchanged");
    assert_eq!((fleet.state.spec_revision(), fleet.state.policy_revision()), (2, 1));
    assert_eq!(
        fleet.kinds_since(before),
        ["fleet-spec-applied", "policy-changed", "pool-changed", "pool-created"]
    );
    fleet.accept(apply_spec(FleetSpec { policy_yaml: "rules".to_owned(), ..spec() }));
    assert_eq!(fleet.state.policy_revision(), 1, "the same text");
}

/// A pool or provider that disappears with its machines running leaves a bill that nobody sees.
#[test]
fn pools_and_providers_with_machines_stay() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "b"));
    fleet.accept(purchase("i1", "m1"));
    let without_b = || FleetSpec { pools: vec![pool_spec("a", 1, 3)], ..spec() };
    assert_eq!(fleet.reject(apply_spec(without_b())), RejectionCode::Precondition);
    let moved = PoolSpec {
        providers: vec![navarch_proto::fleet::PoolProvider {
            name: "other".to_owned(),
            ..navarch_proto::fleet::PoolProvider::default()
        }],
        ..pool_spec("b", 0, 2)
    };
    let without_cloud =
        FleetSpec { providers: vec![provider_spec("other")], pools: vec![moved], ..spec() };
    assert_eq!(fleet.reject(apply_spec(without_cloud)), RejectionCode::Precondition);
    fleet.accept(Kind::FailInstance(navarch_proto::fleet::FailInstance {
        instance_id: "i1".to_owned(),
        kind: navarch_proto::fleet::FailureKind::Vanished.into(),
        ..navarch_proto::fleet::FailInstance::default()
    }));
    fleet.accept(apply_spec(without_b()));
    assert!(fleet.state.pool("b").is_none());
}

fn refused(fleet: &mut Fleet, spec: FleetSpec, expected: &str) {
    let rejection = fleet.rejection(apply_spec(spec));
    assert_eq!(rejection.code(), RejectionCode::Invalid, "{expected}");
    assert!(rejection.message.contains(expected), "{expected}: {}", rejection.message);
}

/// A file with one mistake must change nothing at all.
#[test]
fn a_wrong_pool_is_refused_with_the_whole_file() {
    let mut fleet = Fleet::configured();
    let mut wrong = |change: fn(&mut PoolSpec), expected: &str| {
        let mut pool = pool_spec("a", 1, 3);
        change(&mut pool);
        let pools = vec![pool_spec("z", 0, 1), pool];
        refused(&mut fleet, FleetSpec { pools, ..spec() }, expected);
    };
    wrong(|pool| pool.name.clear(), "pool name is empty");
    wrong(|pool| pool.name = "z".to_owned(), "comes twice");
    wrong(|pool| pool.max_nodes = 0, "max_nodes is 0");
    wrong(|pool| pool.max_nodes = 200_001, "200000");
    wrong(|pool| pool.min_nodes = 4, "above max_nodes");
    wrong(|pool| pool.instance_type.clear(), "instance_type is missing");
    wrong(|pool| pool.strategy = "best".to_owned(), "priority, cost");
    wrong(|pool| pool.providers.clear(), "no provider");
    wrong(|pool| pool.providers[0].name = "x".to_owned(), "not configured");
}

/// The rest of the file can be wrong, too.
#[test]
fn wrong_settings_and_providers_are_refused() {
    let mut fleet = Fleet::configured();
    let nameless = FleetSpec { providers: vec![ProviderSpec::default()], ..spec() };
    refused(&mut fleet, nameless, "provider name is empty");
    let settings = Settings { heartbeat_timeout_ms: 1, ..Settings::default() };
    let impatient = FleetSpec { settings: Some(settings), ..spec() };
    refused(&mut fleet, impatient, "not longer than heartbeat_interval");
    let large = FleetSpec { policy_yaml: "x".repeat(5 << 20), ..spec() };
    refused(&mut fleet, large, "limit is 4194304");
}

/// Operators see these figures; a wrong one makes them buy or sell.
#[test]
fn pool_info_counts() {
    let mut fleet = Fleet::configured();
    fleet.accept(order("i1", "a"));
    fleet.accept(order("i2", "a"));
    fleet.accept(purchase("i2", "m2"));
    fleet.accept(register(node_request("m2", &[]), ""));
    fleet.accept(register(node_request("other", &[("pool", "a")]), ""));
    let sick = navarch_proto::api::HealthStatus::Unhealthy;
    fleet.accept(Kind::RecordVerdict(super::harness::verdict("other", sick, sick)));
    let info = fleet.state.pool_info(fleet.state.pool("a").unwrap());
    assert_eq!((info.size, info.occupancy, info.provisioning, info.running), (2, 2, 1, 1));
    assert_eq!((info.nodes, info.healthy_nodes), (2, 1));
    assert_eq!((info.min_nodes, info.max_nodes, info.providers), (1, 3, vec!["cloud".to_owned()]));
}
