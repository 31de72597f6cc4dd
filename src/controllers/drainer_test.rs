use navarch_proto::fleet::{ApplyFleetSpec, DeclareLost, DrainNode, NotifierSpec};

use super::*;
use crate::controllers::testing::{World, pool, spec};

fn world(notifier: &str) -> World {
    let mut whole = spec(vec![pool("a", 0, 5)]);
    let notifier = NotifierSpec { r#type: notifier.to_owned(), ..NotifierSpec::default() };
    whole.settings.get_or_insert_default().notifier = Some(notifier);
    let world = World::with_spec(whole);
    world.running("i1", "a");
    world
}

fn drain(world: &World, deadline_ms: u64) {
    world.accept(Kind::DrainNode(DrainNode {
        node_id: "m-i1".to_owned(),
        reason: "maintenance".to_owned(),
        deadline_ms,
        ..DrainNode::default()
    }));
}

fn finished(world: &World) -> Option<String> {
    plan(&world.fleet(), world.now_ms()).into_iter().next().map(|step| match step {
        Kind::FinishDrain(finish) => finish.reason,
        other => panic!("{other:?}"),
    })
}

/// Without it a drain that nobody answers would never end, or its cause would be forgotten at its end.
#[tokio::test(flavor = "current_thread")]
async fn without_a_workload_system_a_drain_ends_at_once() {
    let world = world("noop");
    assert_eq!(finished(&world), None);
    drain(&world, 0);
    let reason = "maintenance; no workload system is configured: nothing to wait for";
    assert_eq!(finished(&world).as_deref(), Some(reason));
    assert_eq!(world.reconcile(&mut Drainer).steps, 1);
    assert_eq!(world.node("m-i1").administrative.to_string(), "drained");
    assert_eq!(finished(&world), None, "once");
}

/// Without it jobs would be cut off early, or a machine would wait for ever for a system that is down.
#[tokio::test(flavor = "current_thread")]
async fn a_drain_waits_for_its_deadline() {
    let world = world("webhook");
    drain(&world, world.now_ms() + 3_600_000);
    world.advance(3_599).await;
    assert_eq!(finished(&world), None);
    world.advance(1).await;
    assert_eq!(finished(&world).as_deref(), Some("maintenance; the drain's deadline passed"));
    // A later order of the operator moves it; none at all is waited for without end.
    drain(&world, 0);
    world.advance(86_400).await;
    assert_eq!(finished(&world), None);
    drain(&world, world.now_ms());
    assert!(finished(&world).is_some(), "forced");
}

/// Without it a machine that is silent would be waited for until the deadline.
#[tokio::test(flavor = "current_thread")]
async fn a_lost_node_has_nothing_to_give_away() {
    let world = world("webhook");
    drain(&world, 0);
    let node_revision = world.node("m-i1").revision.0;
    let node_id = "m-i1".to_owned();
    world.accept(Kind::DeclareLost(DeclareLost {
        node_id,
        node_revision,
        ..DeclareLost::default()
    }));
    assert!(finished(&world).is_some());
}

/// Without it a notifier that an operator takes out of the file would leave drains waiting for it.
#[tokio::test(flavor = "current_thread")]
async fn the_notifier_in_force_counts() {
    let world = world("webhook");
    drain(&world, 0);
    let mut spec = (**world.fleet().spec().unwrap()).clone();
    spec.settings.get_or_insert_default().notifier = None;
    let apply = ApplyFleetSpec { spec: Some(spec), only_if_unset: false };
    world.accept(Kind::ApplyFleetSpec(apply));
    assert!(finished(&world).is_some());
}
