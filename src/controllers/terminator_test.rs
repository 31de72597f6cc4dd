use navarch_cluster::ReplicaId;
use navarch_proto::fleet::{FailInstance, FailureKind};

use super::*;
use crate::controllers::testing::{Call, World, pool};

fn terminating() -> World {
    let world = World::new(vec![pool("a", 0, 5)]);
    world.running("i1", "a");
    let instance_id = "i1".to_owned();
    world.accept(Kind::TerminateInstance(TerminateInstance {
        instance_id,
        ..TerminateInstance::default()
    }));
    world
}

fn state(world: &World) -> String {
    world.instance("i1").state.to_string()
}

/// Seconds until the machine is recorded as gone, with a pass each second; none within the limit.
async fn gone_after(world: &World, limit: u64) -> Option<u64> {
    let mut terminator = Terminator::new(Arc::clone(&world.providers));
    for second in 0..=limit {
        world.reconcile(&mut terminator);
        if state(world) == "terminated" {
            return Some(second);
        }
        world.advance(1).await;
    }
    None
}

/// Without it a failed machine would keep billing, as it did in the original.
#[tokio::test(flavor = "current_thread")]
async fn a_failed_machine_is_given_back() {
    let world = World::new(vec![pool("a", 0, 5)]);
    world.bought("i1", "a");
    world.order("i2", "a");
    for (id, kind) in [("i1", FailureKind::Stale), ("i2", FailureKind::Capacity)] {
        let (instance_id, kind) = (id.to_owned(), kind.into());
        world.accept(Kind::FailInstance(FailInstance {
            instance_id,
            kind,
            ..FailInstance::default()
        }));
    }
    let report = world.reconcile(&mut Terminator::new(Arc::clone(&world.providers)));
    assert_eq!((report.steps, report.failed), (2, 0));
    let states = world.states("a").into_iter().map(|(_, state)| state);
    assert_eq!(states.collect::<Vec<_>>(), ["terminated", "failed"], "the order had no machine");
    let (end, look) = (Call::Terminate("m-i1".to_owned()), Call::Get("m-i1".to_owned()));
    assert_eq!(world.cloud().take_calls(), [end, look]);
}

/// Without it an end that the provider forgot, or answered with an error, would never come.
#[tokio::test(flavor = "current_thread")]
async fn the_end_is_asked_for_until_it_has_come() {
    let there = Some(MachineState::Terminating);
    let error = |error: fn(String) -> ProviderError| Err(error("no".to_owned()));
    let table = [
        ("gone", vec![Ok(Termination::Gone)], vec![], 0),
        ("gone when looked at", vec![Ok(Termination::Accepted)], vec![], 0),
        ("there for two looks", vec![], vec![there, there], 10),
        ("an error first", vec![error(ProviderError::Ambiguous)], vec![], 5),
        ("not reached twice", vec![error(ProviderError::Unreachable); 2], vec![], 10),
    ];
    for (what, ends, sights, seconds) in table {
        let world = terminating();
        world.cloud().answer_ends(ends);
        world.cloud().answer_sights(sights);
        assert_eq!(gone_after(&world, 60).await, Some(seconds), "{what}");
    }
}

/// Without it one spurious 404 would leave a machine that costs money to nobody.
#[tokio::test(flavor = "current_thread")]
async fn a_404_is_believed_after_a_minute_of_nothing_else() {
    let never = || Ok(Termination::NeverExisted);
    let there = Some(MachineState::Running);
    let table = [
        ("never seen again", vec![never(); 20], vec![None; 20], Some(60)),
        ("a spurious one", vec![never()], vec![None, there], Some(10)),
        (
            "it turns up after 30 s",
            vec![],
            [vec![None; 6], vec![there], vec![None; 13]].concat(),
            Some(95),
        ),
        ("the look alone is spurious", vec![never(); 20], vec![there; 20], None),
    ];
    for (what, ends, sights, seconds) in table {
        let world = terminating();
        world.cloud().answer_ends(ends);
        world.cloud().answer_sights(sights);
        assert_eq!(gone_after(&world, 95).await, seconds, "{what}");
    }
}

/// Without it a leader that was cut off would give machines back that another leader needs.
#[tokio::test(flavor = "current_thread")]
async fn nothing_is_given_back_in_doubt_of_leading() {
    let world = terminating();
    let mut terminator = Terminator::new(Arc::clone(&world.providers));
    world.group.group.cut_off(ReplicaId(1));
    let report = world.reconcile(&mut terminator);
    assert_eq!((report.failed, world.cloud().take_calls()), (1, vec![]));
}

/// Without it the last ones by id of many machines that take long to end would never be told to.
#[tokio::test(flavor = "current_thread")]
async fn those_that_were_never_asked_about_come_first() {
    let world = World::new(vec![pool("a", 0, 5)]);
    for id in ["i1", "i2", "i3"] {
        world.running(id, "a");
        world.accept(Kind::TerminateInstance(TerminateInstance {
            instance_id: id.to_owned(),
            ..TerminateInstance::default()
        }));
    }
    let mut terminator = Terminator::new(Arc::clone(&world.providers));
    let tenure = world.tenure("terminator");
    let now = tenure.ledger().clock().now() + Duration::from_secs(10);
    for (id, before) in [("i1", 1), ("i2", 2)] {
        let not_before = now - Duration::from_secs(before);
        terminator.asked.insert(id.to_owned(), Asked { not_before, missing_since: None });
    }
    let due = terminator.due(&world.fleet(), now);
    let order: Vec<_> = due.ids().collect();
    assert_eq!(order, ["i3", "i2", "i1"]);
}
