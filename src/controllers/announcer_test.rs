use navarch_proto::fleet::{
    CordonNode, DrainNode, NotifierSpec, RefuseDrain, UncordonNode, proposal::Kind,
};

use super::*;
use crate::controllers::{
    testing::{World, pool, spec},
    testing_workloads::{Answer, failed, refused},
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

fn announcer(world: &World) -> Announcer {
    Announcer::new(Arc::clone(&world.notifiers), Lanes::default())
}

fn cordon(world: &World, node_id: &str, reason: &str) {
    let (node_id, reason) = (node_id.to_owned(), reason.to_owned());
    world.accept(Kind::CordonNode(CordonNode { node_id, reason, ..CordonNode::default() }));
}

fn uncordon(world: &World, node_id: &str, reason: &str) {
    let (node_id, reason) = (node_id.to_owned(), reason.to_owned());
    world.accept(Kind::UncordonNode(UncordonNode { node_id, reason, ..UncordonNode::default() }));
}

fn drain(world: &World, node_id: &str) {
    let node_id = node_id.to_owned();
    world.accept(Kind::DrainNode(DrainNode { node_id, ..DrainNode::default() }));
}

/// Without it the workload system would send jobs to a node that must not get any.
#[tokio::test(flavor = "current_thread")]
async fn cordons_and_uncordons_are_told_once() {
    let world = world();
    let mut announcer = announcer(&world);
    assert_eq!(world.reconcile(&mut announcer), Report::default());
    cordon(&world, "m-i1", "fan noise");
    assert_eq!(world.reconcile(&mut announcer).steps, 1);
    assert_eq!(world.workloads.take_calls(), ["cordon m-i1: fan noise"]);
    uncordon(&world, "m-i1", "mended");
    cordon(&world, "m-i2", "");
    world.reconcile(&mut announcer);
    assert_eq!(world.workloads.take_calls(), ["uncordon m-i1: mended", "cordon m-i2: "]);
    assert_eq!(world.reconcile(&mut announcer), Report::default());
    assert_eq!(world.workloads.take_calls(), [""; 0]);
}

/// Without it a notice that was overtaken would be the last that the workload system hears.
#[tokio::test(flavor = "current_thread")]
async fn the_last_of_several_changes_is_told() {
    let world = world();
    let mut announcer = announcer(&world);
    cordon(&world, "m-i1", "");
    uncordon(&world, "m-i1", "never mind");
    cordon(&world, "m-i2", "");
    drain(&world, "m-i2");
    world.reconcile(&mut announcer);
    assert_eq!(
        world.workloads.take_calls(),
        ["uncordon m-i1: never mind"],
        "drains are not its own"
    );
    // One that failed makes room for what comes after it.
    world.workloads.answer([failed()]);
    cordon(&world, "m-i1", "one");
    world.reconcile(&mut announcer);
    uncordon(&world, "m-i1", "two");
    world.reconcile(&mut announcer);
    assert_eq!(world.workloads.take_calls(), ["cordon m-i1: one", "uncordon m-i1: two"]);
}

/// Without it a drain that the pool took back would leave its node without work for ever.
#[tokio::test(flavor = "current_thread")]
async fn a_drain_taken_back_by_us_is_told() {
    let world = world();
    let mut announcer = announcer(&world);
    let refuse = |node_id: &str| {
        let reason = "wanted again".to_owned();
        RefuseDrain { node_id: node_id.to_owned(), reason, node_revision: 0 }
    };
    cordon(&world, "m-i2", "");
    drain(&world, "m-i1");
    drain(&world, "m-i2");
    world.reconcile(&mut announcer);
    assert_eq!(world.workloads.take_calls(), [""; 0]);
    world.accept(Kind::RefuseDrain(refuse("m-i1")));
    world.accept(Kind::RefuseDrain(refuse("m-i2")));
    world.reconcile(&mut announcer);
    let expected = ["uncordon m-i1: wanted again", "cordon m-i2: wanted again"];
    assert_eq!(world.workloads.take_calls(), expected);
    // What the workload system refused itself is no news to it.
    drain(&world, "m-i1");
    let tenure = world.tenure("drainer");
    tenure.propose(Kind::RefuseDrain(refuse("m-i1"))).await.unwrap();
    world.reconcile(&mut announcer);
    assert_eq!(world.workloads.take_calls(), [""; 0]);
}

/// Without it a workload system that is away for a moment would miss a cordon, or one that is away for good
/// be called for ever.
#[tokio::test(flavor = "current_thread")]
async fn a_notice_is_tried_for_a_minute() {
    let world = world();
    let mut announcer = announcer(&world);
    world.workloads.answer((0..20).map(|_| failed()));
    cordon(&world, "m-i1", "");
    let mut tries = 0;
    let mut last = String::new();
    for _ in 0..200 {
        let report = world.reconcile(&mut announcer);
        let calls = world.workloads.take_calls().len();
        tries += calls;
        if calls > 0 {
            last = report.last_error;
        }
        world.advance(1).await;
    }
    assert_eq!(tries, ATTEMPTS as usize);
    assert_eq!(last, "the cordon notice for node m-i1 is given up: 503 Service Unavailable: later");
    assert_eq!(world.node("m-i1").administrative.to_string(), "cordoned", "it stands all the same");
}

/// Without it a refused notice would be repeated although the answer stays the same.
#[tokio::test(flavor = "current_thread")]
async fn a_refused_notice_is_given_up() {
    let world = world();
    let mut announcer = announcer(&world);
    world.workloads.answer([refused()]);
    cordon(&world, "m-i1", "");
    let report = world.reconcile(&mut announcer);
    assert_eq!(report.failed, 1);
    assert!(report.last_error.contains("is given up: refused: 403"), "{report:?}");
    world.advance(120).await;
    world.reconcile(&mut announcer);
    assert_eq!(world.workloads.take_calls().len(), 1);
}

/// Without it a change of leader would swallow a notice; a lasting one would repeat those of long ago.
#[tokio::test(flavor = "current_thread")]
async fn a_new_leader_looks_back_a_minute() {
    let mut world = world();
    cordon(&world, "m-i1", "long ago");
    world.advance(61).await;
    cordon(&world, "m-i2", "just now");
    world.new_session();
    world.reconcile(&mut announcer(&world));
    assert_eq!(world.workloads.take_calls(), ["cordon m-i2: just now"]);
}

/// Without it an uncordon on its way could arrive after the drain that followed it.
#[tokio::test(flavor = "current_thread")]
async fn a_node_is_told_one_thing_at_a_time() {
    let world = world();
    let lanes = Lanes::default();
    let mut announcer = Announcer::new(Arc::clone(&world.notifiers), lanes.clone());
    let mut drainer =
        crate::controllers::drainer::Drainer::new(Arc::clone(&world.notifiers), lanes);
    world.workloads.answer([Answer::Late(Duration::from_secs(3))]);
    cordon(&world, "m-i1", "slow");
    let (announcing, draining) = (world.tenure(NAME), world.tenure("drainer"));
    let announcements = async {
        for _ in 0..5 {
            announcer.reconcile(&announcing).await;
        }
    };
    let drains = async {
        world.advance(1).await;
        drain(&world, "m-i1");
        drainer.reconcile(&draining).await;
        assert_eq!(world.workloads.take_calls(), ["cordon m-i1: slow"]);
        world.advance(3).await;
    };
    futures::join!(announcements, drains);
    world.reconcile(&mut drainer);
    assert_eq!(world.workloads.take_calls(), ["drain m-i1: "]);
}
