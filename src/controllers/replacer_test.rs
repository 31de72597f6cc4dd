use navarch_proto::{
    api::HealthStatus,
    fleet::{ClearLost, DeclareLost, PoolSpec, RecordTermination, ScalePool, TerminateInstance},
};

use super::*;
use crate::controllers::testing::{World, pool, words};

const HEALTHY: HealthStatus = HealthStatus::Healthy;
const UNHEALTHY: HealthStatus = HealthStatus::Unhealthy;
const UNKNOWN: HealthStatus = HealthStatus::Unknown;

fn replacer(world: &World) -> Replacer {
    Replacer::new(Arc::clone(&world.providers), Arc::clone(&world.liveness))
}

/// Everybody who is not lost beats: silence is not what these tests are about.
fn beat(world: &World) {
    for node in world.fleet().nodes().filter(|node| !node.is_lost()) {
        world.beat(node.id.as_str(), 50.0);
    }
}

/// The next steps; holds apart, which tests look at where they matter.
fn planned(world: &World) -> Vec<String> {
    beat(world);
    let mut number = 0;
    let new_id = || {
        number += 1;
        format!("new{number}")
    };
    let steps = words(&replacer(world).plan(&world.fleet(), world.now_ms(), new_id));
    steps.into_iter().filter(|step| !step.starts_with("hold-replacement")).collect()
}

/// Why replacement in the pool waits, as noted.
fn held(world: &World, pool: &str) -> String {
    beat(world);
    world.reconcile(&mut replacer(world));
    world.fleet().pool(pool).unwrap().replacement_held.to_string()
}

fn lose(world: &World, node_id: &str) {
    let fleet = world.fleet();
    let node = world.node(node_id);
    world.accept(Kind::DeclareLost(DeclareLost {
        node_id: node_id.to_owned(),
        last_seen_ms: fleet.last_seen(node.number).map_or(0, |seen| seen.at.as_ms()),
        node_revision: node.revision.0,
        reason: "silent".to_owned(),
    }));
}

/// A second later, a lost node beats again.
async fn find(world: &World, node_id: &str) {
    world.advance(1).await;
    let (node_id, seen_ms) = (node_id.to_owned(), world.now_ms());
    world.accept(Kind::ClearLost(ClearLost { node_id, seen_ms }));
}

/// Pools of three running machines each, at their targets and without room for another; any number of them may be
/// replaced an hour.
fn running(pools: &[&str]) -> World {
    let tight = |name: &&str| PoolSpec { replace_per_hour_percent: 100, ..pool(name, 3, 3) };
    with_machines(pools.iter().map(tight).collect(), 3)
}

/// A pool `a` of `count` running machines, with room for as many more, and the budgets that are the default.
fn roomy(count: u32) -> World {
    with_machines(vec![pool("a", count, 2 * count)], count)
}

fn with_machines(pools: Vec<PoolSpec>, count: u32) -> World {
    let names: Vec<_> = pools.iter().map(|pool| pool.name.clone()).collect();
    let world = World::new(pools);
    for name in names {
        for number in 1..=count {
            world.running(&format!("{name}{number}"), &name);
        }
    }
    world
}

/// Without it two machines of a pool would be out of service at once by our own hand.
#[tokio::test(flavor = "current_thread")]
async fn one_a_pool_at_a_time() {
    let world = running(&["a", "b"]);
    for node in ["m-a1", "m-a2", "m-b3"] {
        lose(&world, node);
    }
    let fail = |id: &str| format!("fail {id} FAILURE_KIND_NODE_LOST");
    assert_eq!(planned(&world), [fail("a1"), fail("b3")]);
    world.reconcile(&mut replacer(&world));
    assert_eq!(planned(&world), [""; 0], "failed, with a machine");
    let instance_id = "a1".to_owned();
    world.accept(Kind::TerminateInstance(TerminateInstance {
        instance_id: instance_id.clone(),
        ..TerminateInstance::default()
    }));
    assert_eq!(planned(&world), [""; 0], "terminating");
    world.accept(Kind::RecordTermination(RecordTermination { instance_id }));
    assert_eq!(planned(&world), [""; 0], "below the target");
    world.bought("a4", "a");
    assert_eq!(planned(&world), [""; 0], "booting");
    world.register("m-a4", "z1", None);
    assert_eq!(planned(&world), [fail("a2")]);
}

/// Without it a machine would be replaced for one bad report, or never, as in the original.
#[tokio::test(flavor = "current_thread")]
async fn unhealthy_reports_in_a_row_count() {
    /// Checks and events.
    type Reported = (HealthStatus, HealthStatus);

    let table: [(&str, &[Reported], bool); 6] = [
        ("one", &[(UNHEALTHY, UNKNOWN)], false),
        ("two", &[(UNHEALTHY, UNKNOWN), (UNHEALTHY, UNKNOWN)], true),
        (
            "a healthy one between",
            &[(UNHEALTHY, UNKNOWN), (HEALTHY, UNKNOWN), (UNHEALTHY, UNKNOWN)],
            false,
        ),
        ("one event", &[(HEALTHY, UNHEALTHY)], false),
        ("an event and any report", &[(HEALTHY, UNHEALTHY), (HEALTHY, UNKNOWN)], true),
        ("degraded only", &[(HealthStatus::Degraded, UNKNOWN); 3], false),
    ];
    for (what, reports, replaced) in table {
        let world = running(&["a"]);
        for &(checks, events) in reports {
            world.report("m-a2", checks, events);
        }
        let expected = if replaced { vec!["drain m-a2"] } else { vec![] };
        assert_eq!(planned(&world), expected, "{what}");
    }
}

/// Without it a machine whose agent died with its GPU would never be replaced: an event is sent once.
#[tokio::test(flavor = "current_thread")]
async fn an_unhealthy_event_is_waited_out_for_ten_minutes() {
    let world = running(&["a"]);
    world.report("m-a2", HEALTHY, UNHEALTHY);
    world.advance(599).await;
    assert_eq!(planned(&world), [""; 0]);
    world.advance(1).await;
    assert_eq!(planned(&world), ["drain m-a2"]);
    // Once drained it fails, and not before.
    world.reconcile(&mut replacer(&world));
    assert_eq!(planned(&world), [""; 0]);
    world.reconcile(&mut world.drainer());
    assert_eq!(planned(&world), ["fail a2 FAILURE_KIND_NODE_UNHEALTHY"]);
}

/// Without it a good report between drain and end would leave a machine that is paid for, takes no work and stays.
#[tokio::test(flavor = "current_thread")]
async fn a_drain_for_a_verdict_is_brought_to_its_end() {
    let world = running(&["a"]);
    for _ in 0..2 {
        world.report("m-a2", UNHEALTHY, UNKNOWN);
    }
    world.reconcile(&mut replacer(&world));
    world.reconcile(&mut world.drainer());
    world.report("m-a2", HEALTHY, UNKNOWN);
    assert_eq!(planned(&world), ["fail a2 FAILURE_KIND_NODE_UNHEALTHY"]);
}

/// Without it an operator who clears a verdict would lose the machine all the same.
#[tokio::test(flavor = "current_thread")]
async fn a_cleared_verdict_spares_the_machine() {
    use navarch_proto::fleet::UncordonNode;

    let world = running(&["a"]);
    world.report("m-a2", HEALTHY, UNHEALTHY);
    let node_id = "m-a2".to_owned();
    world.accept(Kind::UncordonNode(UncordonNode { node_id, ..UncordonNode::default() }));
    world.advance(601).await;
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it we would give somebody else's machine back, or one of a pool that wants none replaced.
#[tokio::test(flavor = "current_thread")]
async fn only_machines_of_ours_in_pools_that_want_it() {
    let mut manual = pool("a", 1, 3);
    manual.auto_replace = false;
    let world = World::new(vec![manual, pool("b", 0, 3)]);
    world.running("a1", "a");
    world.register("standalone", "z1", Some("b"));
    for node in ["m-a1", "standalone"] {
        world.report(node, UNHEALTHY, UNHEALTHY);
        world.report(node, UNHEALTHY, UNHEALTHY);
        lose(&world, node);
    }
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it a lost machine would wait for the drain of one that still answers.
#[tokio::test(flavor = "current_thread")]
async fn a_lost_machine_goes_before_an_unhealthy_one() {
    let world = running(&["a"]);
    for _ in 0..2 {
        world.report("m-a1", UNHEALTHY, UNKNOWN);
    }
    world.reconcile(&mut replacer(&world));
    assert_eq!(world.node("m-a1").administrative.to_string(), "draining");
    lose(&world, "m-a3");
    assert_eq!(planned(&world), ["fail a3 FAILURE_KIND_NODE_LOST"]);
}

/// Without it a pool that lacks machines already would lose more of them.
#[tokio::test(flavor = "current_thread")]
async fn a_pool_below_its_target_replaces_nothing() {
    let world = roomy(3);
    lose(&world, "m-a1");
    world.accept(Kind::ScalePool(ScalePool { pool: "a".to_owned(), target: 4, hold_until_ms: 0 }));
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it a machine would be bought in the place of one that its pool has too many of, given back at once as the one too
/// many, and bought again, for ever.
#[tokio::test(flavor = "current_thread")]
async fn what_a_pool_has_too_many_of_is_not_replaced() {
    let world = roomy(3);
    let scale = |target| {
        let pool = "a".to_owned();
        world.accept(Kind::ScalePool(ScalePool { pool, target, hold_until_ms: 0 }));
    };
    scale(4);
    world.running("a4", "a");
    scale(3);
    lose(&world, "m-a2");
    assert_eq!(planned(&world), [""; 0]);
    assert!(held(&world, "a").contains("above its target"));
    scale(4);
    assert_eq!(planned(&world).len(), 1, "now it is missed");
}

/// The id of the order in the place of `id`.
fn replacement_of(world: &World, id: &str) -> String {
    world.instance(id).replaced_by.as_ref().expect("it is being replaced").to_string()
}

fn come_up(world: &World, id: &str) {
    world.accept(Kind::RecordPurchase(navarch_proto::fleet::RecordPurchase {
        instance_id: id.to_owned(),
        provider_ref: format!("m-{id}"),
        ..Default::default()
    }));
    world.register(&format!("m-{id}"), "z1", None);
}

/// Without it a pool would be short of a machine for as long as a new one takes to boot.
#[tokio::test(flavor = "current_thread")]
async fn with_room_the_new_machine_comes_first() {
    let world = roomy(3);
    world.report("m-a2", HEALTHY, UNHEALTHY);
    world.report("m-a2", HEALTHY, UNKNOWN);
    assert_eq!(planned(&world), ["order for a2"]);
    world.reconcile(&mut replacer(&world));
    assert_eq!(world.fleet().pool_counts("a").size(), 3, "the pair counts one");
    assert_eq!(planned(&world), [""; 0], "the new one is on its way");
    assert_eq!(world.node("m-a2").administrative.to_string(), "active");
    let new = replacement_of(&world, "a2");
    come_up(&world, &new);
    assert_eq!(planned(&world), ["drain m-a2"]);
    world.reconcile(&mut replacer(&world));
    world.reconcile(&mut world.drainer());
    assert_eq!(planned(&world), ["fail a2 FAILURE_KIND_NODE_UNHEALTHY"]);
    world.reconcile(&mut replacer(&world));
    assert_eq!(world.fleet().pool_counts("a").size(), 3);
}

/// Without it a node that beats again, or that an operator cleared, would lose its machine all the same.
#[tokio::test(flavor = "current_thread")]
async fn a_machine_that_is_well_again_is_kept() {
    let world = roomy(3);
    lose(&world, "m-a1");
    world.reconcile(&mut replacer(&world));
    let new = replacement_of(&world, "a1");
    find(&world, "m-a1").await;
    assert_eq!(world.fleet().pool_counts("a").size(), 4, "{new} is surplus");
    assert_eq!(planned(&world), [""; 0]);
    assert_eq!(world.events("replacement"), ["replacement-cancelled"]);
    // One bad report was no reason to replace it: that it was lost meanwhile does not make it one.
    world.report("m-a2", UNHEALTHY, UNKNOWN);
    lose(&world, "m-a2");
    world.reconcile(&mut replacer(&world));
    find(&world, "m-a2").await;
    assert!(!world.instance("a2").is_being_replaced());
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it the replacement of a machine whose checks fail now and then would be given back and bought again, for ever.
#[tokio::test(flavor = "current_thread")]
async fn a_good_report_does_not_call_a_replacement_off() {
    let world = roomy(3);
    world.report("m-a2", UNHEALTHY, UNKNOWN);
    world.report("m-a2", UNHEALTHY, UNKNOWN);
    world.reconcile(&mut replacer(&world));
    world.report("m-a2", HEALTHY, UNKNOWN);
    assert_eq!(planned(&world), [""; 0], "the verdict stands, and the new one is on its way");
    come_up(&world, &replacement_of(&world, "a2"));
    assert_eq!(planned(&world), ["drain m-a2"]);
}

/// Without it a failed order would leave a broken machine in service for ever.
#[tokio::test(flavor = "current_thread")]
async fn a_replacement_that_fails_is_ordered_again() {
    let world = roomy(3);
    lose(&world, "m-a1");
    world.reconcile(&mut replacer(&world));
    let instance_id = replacement_of(&world, "a1");
    world.accept(Kind::FailInstance(FailInstance {
        instance_id,
        kind: FailureKind::Invalid.into(),
        ..FailInstance::default()
    }));
    assert_eq!(planned(&world), [""; 0], "the place is left alone for a while");
    assert!(held(&world, "a").contains("sells no"), "{}", held(&world, "a"));
    world.advance(40).await;
    assert_eq!(planned(&world), ["order for a1"]);
    assert_eq!(held(&world, "a"), "");
    assert_eq!(world.events("replacement-").len(), 3, "cancelled, held, released");
}

#[path = "replacer_budgets_test.rs"]
mod budgets;
