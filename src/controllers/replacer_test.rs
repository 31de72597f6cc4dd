use navarch_proto::{
    api::HealthStatus,
    fleet::{DeclareLost, RecordTermination, ScalePool, TerminateInstance},
};

use super::*;
use crate::controllers::{
    drainer::Drainer,
    testing::{World, pool, words},
};

const HEALTHY: HealthStatus = HealthStatus::Healthy;
const UNHEALTHY: HealthStatus = HealthStatus::Unhealthy;
const UNKNOWN: HealthStatus = HealthStatus::Unknown;

fn planned(world: &World) -> Vec<String> {
    words(&plan(&world.fleet(), world.now_ms()))
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

/// Pools of three running machines each, at their targets.
fn running(pools: &[&str]) -> World {
    let world = World::new(pools.iter().map(|name| pool(name, 3, 6)).collect());
    for name in pools {
        for number in 1..=3 {
            world.running(&format!("{name}{number}"), name);
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
    world.reconcile(&mut Replacer);
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
    world.reconcile(&mut Replacer);
    assert_eq!(planned(&world), [""; 0]);
    world.reconcile(&mut Drainer);
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
    world.reconcile(&mut Replacer);
    assert_eq!(world.node("m-a1").administrative.to_string(), "draining");
    lose(&world, "m-a3");
    assert_eq!(planned(&world), ["fail a3 FAILURE_KIND_NODE_LOST"]);
}

/// Without it a pool that lacks machines already would lose more of them.
#[tokio::test(flavor = "current_thread")]
async fn a_pool_below_its_target_replaces_nothing() {
    let world = running(&["a"]);
    lose(&world, "m-a1");
    world.accept(Kind::ScalePool(ScalePool { pool: "a".to_owned(), target: 4, hold_until_ms: 0 }));
    assert_eq!(planned(&world), [""; 0]);
}
