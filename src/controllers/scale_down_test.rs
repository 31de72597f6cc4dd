use navarch_proto::{
    api::HealthStatus,
    fleet::{CordonNode, ScalePool},
};

use super::*;
use crate::controllers::testing::{World, pool, words};

fn planned(world: &World) -> Vec<String> {
    let controller = ScaleDown::new(Arc::clone(&world.liveness));
    words(&controller.plan(&world.fleet(), world.now_ms()))
}

fn scale(world: &World, target: u32) {
    world.accept(Kind::ScalePool(ScalePool { pool: "a".to_owned(), target, hold_until_ms: 0 }));
}

fn pass(world: &World) {
    world.reconcile(&mut ScaleDown::new(Arc::clone(&world.liveness)));
}

/// A pool of `count` running machines, all wanted.
fn running(count: u32) -> World {
    let world = World::new(vec![pool("a", 0, 9)]);
    scale(&world, count);
    for number in 1..=count {
        world.running(&format!("i{number}"), "a");
        world.beat(&format!("m-i{number}"), 50.0);
    }
    world
}

/// With a notifier that has to be waited for.
fn running_with_webhook(count: u32) -> World {
    use navarch_proto::fleet::{ApplyFleetSpec, NotifierSpec};

    let world = running(count);
    let mut spec = (**world.fleet().spec().unwrap()).clone();
    let webhook = NotifierSpec { r#type: "webhook".to_owned(), ..NotifierSpec::default() };
    spec.settings.get_or_insert_default().notifier = Some(webhook);
    let apply = ApplyFleetSpec { spec: Some(spec), ..ApplyFleetSpec::default() };
    world.accept(Kind::ApplyFleetSpec(apply));
    world
}

fn cordon(world: &World, node_id: &str) {
    let node_id = node_id.to_owned();
    world.accept(Kind::CordonNode(CordonNode { node_id, ..CordonNode::default() }));
}

/// Without it a machine would be taken away under its jobs, or more machines than the pool has too many.
#[tokio::test(flavor = "current_thread")]
async fn it_drains_first_and_never_goes_below_the_target() {
    let world = running(4);
    assert_eq!(planned(&world), [""; 0]);
    scale(&world, 2);
    assert_eq!(planned(&world), ["drain m-i1", "drain m-i2"]);
    pass(&world);
    assert_eq!(planned(&world), [""; 0], "while they drain");
    world.reconcile(&mut world.drainer());
    assert_eq!(planned(&world), ["terminate i1", "terminate i2"]);
    pass(&world);
    assert_eq!(planned(&world), [""; 0]);
    assert_eq!(world.fleet().pool_counts("a").size(), 2);
}

/// Without it a busy machine would go while an idle one stays.
#[tokio::test(flavor = "current_thread")]
async fn the_least_useful_goes_first() {
    let world = running(6);
    world.advance(1).await;
    world.bought("i7", "a");
    world.beat("m-i4", 10.0);
    world.beat("m-i5", 90.0);
    cordon(&world, "m-i3");
    world.report("m-i2", HealthStatus::Unhealthy, HealthStatus::Unknown);
    // Unregistered and unhealthy, cordoned, least utilised, oldest.
    let order =
        ["terminate i7", "drain m-i2", "drain m-i3", "drain m-i4", "drain m-i1", "drain m-i6"];
    for (surplus, target) in (1..=6).zip((1..=6).rev()) {
        scale(&world, target);
        let mut seen = planned(&world);
        seen.sort_unstable();
        let mut expected = order[..surplus].to_vec();
        expected.sort_unstable();
        assert_eq!(seen, expected, "target {target}");
    }
}

/// Without it an order that is not answered could be forgotten while its machine comes up.
#[tokio::test(flavor = "current_thread")]
async fn an_unanswered_order_keeps_its_slot() {
    let world = World::new(vec![pool("a", 0, 5)]);
    world.order("i1", "a");
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it machines at work would be ended for orders that may come to nothing, or for a machine that is on its way.
#[tokio::test(flavor = "current_thread")]
async fn nothing_that_runs_goes_for_an_order_without_an_answer() {
    let world = running(3);
    scale(&world, 5);
    world.order("i4", "a");
    world.order("i5", "a");
    scale(&world, 2);
    assert_eq!(planned(&world), ["drain m-i1"], "whatever becomes of the orders");
    scale(&world, 3);
    assert_eq!(planned(&world), [""; 0]);
    world.bought("i6", "a");
    assert_eq!(
        planned(&world),
        ["terminate i6"],
        "it is known to be there, and nobody works on it"
    );
}

/// Without it the choice would wander while figures change, and more would drain than should go.
#[tokio::test(flavor = "current_thread")]
async fn what_drains_stays_chosen() {
    let world = running_with_webhook(3);
    scale(&world, 2);
    pass(&world);
    world.beat("m-i2", 0.0);
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it machines that are wanted again would stay out of work for ever, counted as if they worked.
#[tokio::test(flavor = "current_thread")]
async fn a_drain_of_ours_ends_when_the_machine_is_wanted_again() {
    let world = running_with_webhook(4);
    cordon(&world, "m-i4");
    scale(&world, 2);
    pass(&world);
    let administrative = |id: &str| world.node(id).administrative.to_string();
    assert_eq!(["m-i1", "m-i4"].map(administrative), ["draining"; 2]);
    scale(&world, 4);
    assert_eq!(planned(&world), ["refuse-drain m-i1", "refuse-drain m-i4"]);
    pass(&world);
    assert_eq!(["m-i1", "m-i4"].map(administrative), ["active", "cordoned"]);
    // A drain that has come to its end is lifted, but nobody's cordon with it.
    scale(&world, 2);
    pass(&world);
    world.advance(3_600).await;
    world.reconcile(&mut world.drainer());
    assert_eq!(["m-i1", "m-i4"].map(administrative), ["drained"; 2]);
    scale(&world, 4);
    assert_eq!(planned(&world), ["uncordon m-i1"]);
    // What an operator drains is left alone.
    let node_id = "m-i2".to_owned();
    world.accept(Kind::DrainNode(DrainNode { node_id, ..DrainNode::default() }));
    assert_eq!(planned(&world), ["uncordon m-i1"]);
}

/// Without it such a machine would stay drained, paid for and of no use; or nobody would have to look at what it reported.
#[tokio::test(flavor = "current_thread")]
async fn one_with_a_verdict_is_taken_back_with_it() {
    let world = running(3);
    for checks in [HealthStatus::Unhealthy, HealthStatus::Healthy] {
        world.report("m-i2", checks, HealthStatus::Unknown);
    }
    scale(&world, 2);
    pass(&world);
    world.reconcile(&mut world.drainer());
    assert_eq!(world.node("m-i2").administrative.to_string(), "drained");
    scale(&world, 3);
    assert_eq!(planned(&world), ["uncordon m-i2"]);
    pass(&world);
    let node = world.node("m-i2");
    assert_eq!((node.administrative, node.health.latched), (Administrative::Active, true));
    // One that is to be replaced goes on.
    for _ in 0..2 {
        world.report("m-i2", HealthStatus::Unhealthy, HealthStatus::Unknown);
    }
    scale(&world, 2);
    pass(&world);
    world.reconcile(&mut world.drainer());
    scale(&world, 3);
    assert_eq!(planned(&world), [""; 0]);
}
