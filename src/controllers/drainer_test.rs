use navarch_fleet::EventKind;
use navarch_proto::fleet::{ApplyFleetSpec, DeclareLost, DrainNode, NotifierSpec, UncordonNode};

use super::*;
use crate::controllers::{
    testing::{World, pool, spec},
    testing_workloads::{Answer, failed, refused, status},
};

fn world(notifier: &str) -> World {
    let mut whole = spec(vec![pool("a", 0, 5)]);
    let notifier = NotifierSpec { r#type: notifier.to_owned(), ..NotifierSpec::default() };
    whole.settings.get_or_insert_default().notifier = Some(notifier);
    let world = World::with_spec(whole);
    world.running("i1", "a");
    world
}

fn drain(world: &World, deadline_ms: u64) {
    drain_node(world, "m-i1", deadline_ms);
}

fn drain_node(world: &World, node_id: &str, deadline_ms: u64) {
    world.accept(Kind::DrainNode(DrainNode {
        node_id: node_id.to_owned(),
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

fn state(world: &World) -> (String, bool, String) {
    let node = world.node("m-i1");
    let accepted = match node.administrative {
        Administrative::Draining(drain) => drain.accepted,
        Administrative::Active | Administrative::Cordoned | Administrative::Terminated => false,
    };
    (node.administrative.to_string(), accepted, node.administrative_reason.to_string())
}

/// Without it a drain that nobody answers would never end, or its cause would be forgotten at its end.
#[tokio::test(flavor = "current_thread")]
async fn without_a_workload_system_a_drain_ends_at_once() {
    let world = world("noop");
    assert_eq!(finished(&world), None);
    drain(&world, 0);
    let reason = "maintenance; no workload system is configured: nothing to wait for";
    assert_eq!(finished(&world).as_deref(), Some(reason));
    assert_eq!(world.reconcile(&mut world.drainer()).steps, 1);
    assert_eq!(world.node("m-i1").administrative.to_string(), "drained");
    assert_eq!(finished(&world), None, "once");
    assert_eq!(world.workloads.take_calls(), [""; 0]);
}

/// Without it jobs would be cut off early, or a machine would wait for ever for a system that is down.
#[tokio::test(flavor = "current_thread")]
async fn a_drain_waits_for_its_deadline() {
    let world = world("webhook");
    drain(&world, world.now_ms() + 3_600_000);
    world.advance(3_599).await;
    assert_eq!(finished(&world), None);
    world.advance(1).await;
    let reason = "maintenance; the drain's deadline passed before the workload system took notice";
    assert_eq!(finished(&world).as_deref(), Some(reason));
    world.reconcile(&mut world.drainer());
    // A later order of the operator moves it; none at all is waited for without end.
    world.accept(Kind::UncordonNode(UncordonNode {
        node_id: "m-i1".to_owned(),
        ..UncordonNode::default()
    }));
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
    world.reconcile(&mut world.drainer());
    assert_eq!(world.workloads.take_calls(), [""; 0], "nobody is asked to empty it");
}

/// Without it a notifier that an operator takes out of the file would leave drains waiting for it.
#[tokio::test(flavor = "current_thread")]
async fn the_notifier_in_force_counts() {
    let world = world("webhook");
    drain(&world, 0);
    let mut spec = (**world.fleet().spec().unwrap()).clone();
    spec.settings.get_or_insert_default().notifier = None;
    let apply = ApplyFleetSpec { spec: Some(spec), ..ApplyFleetSpec::default() };
    world.accept(Kind::ApplyFleetSpec(apply));
    assert!(finished(&world).is_some());
}

/// Without it a machine would be taken from under its jobs, or kept after they have left.
#[tokio::test(flavor = "current_thread")]
async fn the_workload_system_is_told_and_asked_until_it_is_done() {
    let world = world("webhook");
    let mut drainer = world.drainer();
    drain(&world, 0);
    world.reconcile(&mut drainer);
    assert_eq!(world.workloads.take_calls(), ["drain m-i1: maintenance"]);
    assert_eq!(state(&world), ("draining".to_owned(), true, "maintenance".to_owned()));
    world.workloads.answer_statuses([status(false), status(true)]);
    let mut asked_s = Vec::new();
    for second in 0..12 {
        world.reconcile(&mut drainer);
        asked_s.extend(world.workloads.take_calls().iter().map(|_| second));
        world.advance(1).await;
    }
    assert_eq!(asked_s, [0, 5], "not again once it is drained");
    let reason = "maintenance; the workload system says drained: as it says";
    assert_eq!(state(&world), ("drained".to_owned(), true, reason.to_owned()));
}

/// Without it a refused drain would go on, or a node would not return to what it was.
#[tokio::test(flavor = "current_thread")]
async fn a_refusal_rolls_the_drain_back() {
    let world = world("webhook");
    world.workloads.answer([refused()]);
    drain(&world, 0);
    let report = world.reconcile(&mut world.drainer());
    assert_eq!((report.steps, report.failed), (1, 0));
    let reason = "the workload system refused the drain: 403 Forbidden: job 7 must not move";
    assert_eq!(state(&world), ("active".to_owned(), false, reason.to_owned()));
    world.reconcile(&mut world.drainer());
    assert_eq!(world.workloads.take_calls().len(), 1, "it is not told again");
}

/// Without it a refusal of an old order would undo what an operator has ordered meanwhile.
#[tokio::test(flavor = "current_thread")]
async fn a_refusal_that_comes_late_changes_nothing() {
    let world = world("webhook");
    let mut drainer = world.drainer();
    drain(&world, 0);
    let told = Arc::clone(world.fleet().node("m-i1").unwrap());
    drain(&world, world.now_ms() + 60_000);
    let mut report = Report::default();
    let tenure = world.tenure(NAME);
    let refusal = Err(NotifyError::Refused("no".to_owned()));
    drainer.conclude(&tenure, &told, refusal, &mut report).await;
    assert_eq!((report.overtaken, report.failed), (1, 0));
    assert_eq!(state(&world).0, "draining");
    // The new order is told as a new one.
    world.reconcile(&mut drainer);
    assert!(state(&world).1);
}

/// Without it a workload system that restarts would end drains, or be called as fast as it fails.
#[tokio::test(flavor = "current_thread")]
async fn what_was_not_heard_is_told_again_until_the_deadline() {
    let world = world("webhook");
    let mut drainer = world.drainer();
    world.workloads.answer((0..9).map(|_| failed()));
    drain(&world, world.now_ms() + 100_000);
    let mut told_s: Vec<i32> = Vec::new();
    for second in 0..110 {
        let report = world.reconcile(&mut drainer);
        if !world.workloads.take_calls().is_empty() {
            told_s.push(second);
            assert_eq!(report.failed, 1);
            assert!(report.last_error.contains("node m-i1 is tried again: 503"), "{report:?}");
        }
        world.advance(1).await;
    }
    // 1, 2, 4, 8, 16, 32, 60 s, with up to a quarter of jitter, seen once a second.
    let pauses: Vec<i32> = told_s.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, nominal) in pauses.iter().zip([1, 2, 4, 8, 16, 32]) {
        assert!((nominal..=nominal * 5 / 4 + 1).contains(pause), "{pauses:?}");
    }
    let reason = "maintenance; the drain's deadline passed before the workload system took notice";
    assert_eq!(state(&world), ("drained".to_owned(), false, reason.to_owned()));
}

/// Without it a forced drain would take a node away behind the workload system's back.
#[tokio::test(flavor = "current_thread")]
async fn a_forced_drain_is_told_all_the_same() {
    let world = world("webhook");
    drain(&world, world.now_ms());
    let report = world.reconcile(&mut world.drainer());
    assert_eq!(world.workloads.take_calls(), ["drain m-i1: maintenance"]);
    assert_eq!(state(&world).0, "drained");
    assert_eq!((report.overtaken, report.failed), (1, 0), "its acceptance comes too late");
}

/// Without it one node whose notice hangs would keep all others from being drained.
#[tokio::test(flavor = "current_thread")]
async fn a_notice_that_hangs_holds_up_nobody_else() {
    let world = world("webhook");
    world.running("i2", "a");
    let mut drainer = world.drainer();
    let tenure = world.tenure(NAME);
    world.workloads.answer([Answer::Late(Duration::from_secs(20))]);
    drain(&world, 0);
    drain_node(&world, "m-i2", 0);
    // The clock moves while the pass waits for the first one.
    let passes = async {
        for _ in 0..25 {
            drainer.reconcile(&tenure).await;
        }
    };
    let time = async {
        for second in 0..25 {
            let is_second = |event: &Arc<navarch_proto::api::FleetEvent>| {
                event.kind == EventKind::NodeDrainAccepted.as_str()
            };
            let accepted: Vec<String> = {
                let fleet = world.fleet();
                let all = fleet.events_since(0, usize::MAX).filter(|one| is_second(one));
                all.map(|event| event.subject.clone()).collect()
            };
            match second {
                0 => {}
                1..20 => assert_eq!(accepted, ["node/m-i2"], "{second} s"),
                _ => {}
            }
            world.advance(1).await;
        }
    };
    futures::join!(passes, time);
    assert!(state(&world).1, "the late answer counts");
    let calls = world.workloads.take_calls();
    let told = calls.iter().filter(|call| call.as_str() == "drain m-i1: maintenance").count();
    assert_eq!(told, 1, "{calls:?}");
}

/// Without it a leader that is cut off would tell the workload system of what may be undone.
#[tokio::test(flavor = "current_thread")]
async fn nobody_is_told_in_doubt() {
    let world = world("webhook");
    drain(&world, 0);
    let mut drainer = world.drainer();
    let tenure = world.tenure(NAME);
    tenure.end();
    let report = drainer.reconcile(&tenure).await;
    assert!(report.last_error.contains("not acting"), "{report:?}");
    assert_eq!(world.workloads.take_calls(), [""; 0]);
}

/// Without it a change of leader would leave a drain half told.
#[tokio::test(flavor = "current_thread")]
async fn a_new_leader_goes_on() {
    let mut world = world("webhook");
    world.workloads.answer([failed()]);
    drain(&world, 0);
    world.reconcile(&mut world.drainer());
    world.new_session();
    world.reconcile(&mut world.drainer());
    assert!(state(&world).1);
    world.new_session();
    world.workloads.answer_statuses([status(true)]);
    world.reconcile(&mut world.drainer());
    assert_eq!(state(&world).0, "drained");
}
