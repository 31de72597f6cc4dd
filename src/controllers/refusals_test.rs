use navarch_proto::fleet::{
    AcceptDrain, DrainNode, NotifierSpec, RefuseDrain, ScalePool, proposal::Kind,
};

use super::*;
use crate::controllers::{
    scale_down::ScaleDown,
    testing::{World, pool, spec},
    testing_workloads::refused,
};

fn world() -> World {
    let mut whole = spec(vec![pool("a", 0, 5)]);
    let notifier = NotifierSpec { r#type: "webhook".to_owned(), ..NotifierSpec::default() };
    whole.settings.get_or_insert_default().notifier = Some(notifier);
    let world = World::with_spec(whole);
    world.running("i1", "a");
    world.running("i2", "a");
    world
}

fn drain(world: &World) {
    let node_id = "m-i1".to_owned();
    world.accept(Kind::DrainNode(DrainNode { node_id, ..DrainNode::default() }));
}

async fn refuse_as(world: &World, controller: &'static str) {
    drain(world);
    let refusal = RefuseDrain { node_id: "m-i1".to_owned(), ..RefuseDrain::default() };
    world.tenure(controller).propose(Kind::RefuseDrain(refusal)).await.unwrap();
}

/// Seconds for which a node is left alone from now on.
fn held_s(world: &World, refusals: &mut Refusals) -> u64 {
    refusals.read(&world.fleet());
    let now_ms = world.now_ms();
    let held = |seconds: u64| refusals.hold("m-i1", now_ms + seconds * 1_000);
    (0..4_000).find(|seconds| !held(*seconds)).unwrap()
}

/// Without it a pool above its target would order a refused drain again every few seconds, for ever.
#[tokio::test(flavor = "current_thread")]
async fn a_refused_node_is_left_alone_for_longer_and_longer() {
    let world = world();
    let mut refusals = Refusals::default();
    assert_eq!(held_s(&world, &mut refusals), 0);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        refuse_as(&world, "drainer").await;
        pauses.push(held_s(&world, &mut refusals));
    }
    assert_eq!(pauses, [60, 120, 240, 480, 960, 1_800, 1_800]);
    // A drain that was accepted begins the count anew; one that we took back ourselves is no refusal.
    drain(&world);
    let accept = AcceptDrain { node_id: "m-i1".to_owned(), ..AcceptDrain::default() };
    world.accept(Kind::AcceptDrain(accept));
    assert_eq!(held_s(&world, &mut refusals), 0);
    refuse_as(&world, "scale-down").await;
    assert_eq!(held_s(&world, &mut refusals), 0);
}

/// Without it one machine that may not go would keep its pool above its target.
#[tokio::test(flavor = "current_thread")]
async fn another_machine_goes_instead() {
    let world = world();
    let mut scale_down = ScaleDown::new(std::sync::Arc::clone(&world.liveness));
    let scale = ScalePool { pool: "a".to_owned(), target: 1, hold_until_ms: 0 };
    world.accept(Kind::ScalePool(scale));
    world.workloads.answer([refused()]);
    for _ in 0..3 {
        world.reconcile(&mut scale_down);
        world.reconcile(&mut world.drainer());
    }
    let calls = world.workloads.take_calls();
    let why = "pool a is above its target";
    assert_eq!(calls[..2], [format!("drain m-i1: {why}"), format!("drain m-i2: {why}")]);
    assert_eq!(world.node("m-i1").administrative.to_string(), "active");
    assert_eq!(world.node("m-i2").administrative.to_string(), "draining");
}
