use navarch_fleet::InstanceState;
use navarch_proto::fleet::{FleetSpec, RecordTermination, TerminateInstance};

use super::*;
use crate::controllers::testing::{Call, World, machine, pool, spec};

const MINE: &str = "cluster-1";

/// A machine as the provider lists it, ten minutes old.
fn listed(world: &World, id: &str, labels: &[(&str, &str)]) -> Machine {
    let mut machine = machine(id, MachineState::Running);
    let label = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
    machine.labels = labels.iter().map(label).collect();
    let wall_ms = world.ledger.clock().wall_ms();
    machine.created_at_ms = Some(wall_ms.saturating_sub(600_000));
    machine
}

fn orphans(world: &World) -> Orphans {
    Orphans::new(Arc::clone(&world.liveness), Arc::clone(&world.providers))
}

/// A pass now, and after each of so many times 70 seconds.
async fn sweep(world: &World, controller: &mut Orphans, times: usize) {
    world.reconcile(controller);
    for _ in 0..times {
        world.advance(70).await;
        world.reconcile(controller);
    }
}

/// The same, while the machines of these numbers beat: a mass that is silent would stop it.
async fn sweep_heard(
    world: &World,
    controller: &mut Orphans,
    times: usize,
    heard: impl Fn(usize) -> bool,
) {
    let beat = || {
        let heard = (0..10).filter(|number| heard(*number));
        heard.for_each(|number| world.beat(&format!("m-i{number}"), 50.0));
    };
    beat();
    world.reconcile(controller);
    for _ in 0..times {
        world.advance(70).await;
        beat();
        world.reconcile(controller);
    }
}

fn terminating(world: &World) -> Vec<String> {
    let fleet = world.fleet();
    let all = fleet.instances_in_state(InstanceState::Terminating);
    all.filter_map(|one| one.provider_ref.as_ref()).map(ToString::to_string).collect()
}

/// Without it a machine that nobody tracks burns money for ever; without the second look a listing that lags, or
/// somebody else's machine, would end a machine that works.
#[tokio::test(flavor = "current_thread")]
async fn machines_that_no_record_explains_are_given_back() {
    let world = World::new(vec![pool("a", 0, 5)]);
    world.running("i1", "a");
    let mine = (labels::CLUSTER, MINE);
    let mut young = listed(&world, "young", &[mine]);
    young.created_at_ms = Some(world.ledger.clock().wall_ms());
    let mut ended = listed(&world, "ended", &[mine]);
    ended.state = MachineState::Terminated;
    world.cloud().list_from_now(vec![
        listed(&world, "m-i1", &[mine, (labels::INSTANCE, "i1")]),
        listed(&world, "stray", &[mine, (labels::INSTANCE, "i9"), (labels::POOL, "a")]),
        // One order is one machine: this is a second one under i1's key.
        listed(&world, "twin", &[mine, (labels::INSTANCE, "i1"), (labels::POOL, "a")]),
        listed(&world, "nameless", &[mine]),
        listed(&world, "theirs", &[(labels::CLUSTER, "cluster-2")]),
        listed(&world, "untagged", &[]),
        young,
        ended,
    ]);
    let mut controller = orphans(&world);
    sweep(&world, &mut controller, 0).await;
    assert!(terminating(&world).is_empty(), "one listing proves nothing");
    sweep(&world, &mut controller, 1).await;
    let mut ended = terminating(&world);
    ended.sort();
    assert_eq!(ended, ["nameless", "stray", "twin"]);
    assert_eq!(world.events("orphan"), ["orphan-found"; 3]);
    assert_eq!(world.instance("i9").pool.as_str(), "a");
    assert_eq!(world.instance("i1").state, InstanceState::Running);
    sweep(&world, &mut controller, 4).await;
    assert!(terminating(&world).contains(&"young".to_owned()), "it is old now");
    assert_eq!(world.events("orphan").len(), 4, "each is told of once");
}

/// Without it an operator who only wants to be told of orphans would lose machines.
#[tokio::test(flavor = "current_thread")]
async fn orphans_may_be_reported_only() {
    let mut only = spec(vec![pool("a", 0, 5)]);
    only.settings.get_or_insert_default().orphans_report_only = true;
    let world = World::with_spec(only);
    let stray = listed(&world, "stray", &[(labels::CLUSTER, MINE)]);
    world.cloud().list_from_now(vec![stray]);
    sweep(&world, &mut orphans(&world), 4).await;
    assert!(terminating(&world).is_empty());
    assert_eq!(world.events("orphan"), ["orphan-found"]);
}

/// Without it an order whose answer was lost would be asked for ever at a provider that forgets keys, and a
/// machine that turns up late would run for nobody.
#[tokio::test(flavor = "current_thread")]
async fn listed_machines_answer_their_orders() {
    let world = World::new(vec![pool("a", 0, 5)]);
    world.order("open", "a");
    world.bought("closed", "a");
    world.accept(Kind::TerminateInstance(TerminateInstance {
        instance_id: "closed".to_owned(),
        ..TerminateInstance::default()
    }));
    let instance_id = "closed".to_owned();
    world.accept(Kind::RecordTermination(RecordTermination { instance_id }));
    let tags = |id| [(labels::CLUSTER, MINE), (labels::INSTANCE, id)];
    world.cloud().list_from_now(vec![
        listed(&world, "m-open", &tags("open")),
        listed(&world, "m-closed", &tags("closed")),
    ]);
    let mut controller = orphans(&world);
    sweep(&world, &mut controller, 0).await;
    assert_eq!(world.instance("open").state, InstanceState::PendingRegistration);
    assert_eq!(world.instance("closed").state, InstanceState::Terminated, "the listing may lag");
    sweep(&world, &mut controller, 1).await;
    assert_eq!(world.instance("closed").state, InstanceState::Terminating);
}

/// Running machines `i0`, `i1`, ... of pool `a`, none of which is heard.
async fn silent(count: usize) -> World {
    let world = World::new(vec![pool("a", 0, 50)]);
    for number in 0..count {
        world.running(&format!("i{number}"), "a");
    }
    world.advance(600).await;
    world
}

fn all_but(world: &World, count: usize, missing: &[usize]) -> Vec<Machine> {
    let there = (0..count).filter(|number| !missing.contains(number));
    let label = (labels::CLUSTER, MINE);
    there.map(|number| listed(world, &format!("m-i{number}"), &[label])).collect()
}

fn failed(world: &World) -> Vec<String> {
    let fleet = world.fleet();
    fleet.instances_in_state(InstanceState::Failed).map(|one| one.id.to_string()).collect()
}

/// Without it a machine that the cloud took away would count as one that works; without the three conditions a
/// lagging list or one wrong answer would make us buy another.
#[tokio::test(flavor = "current_thread")]
async fn a_vanished_machine_is_failed() {
    let world = silent(10).await;
    world.cloud().list_from_now(all_but(&world, 10, &[3]));
    world.cloud().answer_sights([Some(MachineState::Running), None, None]);
    let mut controller = orphans(&world);
    let others = |number| number != 3;
    sweep_heard(&world, &mut controller, 0, others).await;
    assert!(failed(&world).is_empty() && world.cloud().take_calls().is_empty());
    sweep_heard(&world, &mut controller, 1, others).await;
    assert!(failed(&world).is_empty(), "the machine itself is still shown");
    assert_eq!(world.cloud().take_calls(), [Call::Get("m-i3".to_owned())]);
    world.beat("m-i3", 50.0);
    sweep_heard(&world, &mut controller, 1, others).await;
    assert_eq!(failed(&world), ["i3"], "its agent was silent for the 70 s since");
    let node = world.fleet().node("m-i3").unwrap().clone();
    assert_eq!(node.administrative, navarch_fleet::Administrative::Terminated);
}

/// Without it a cloud that forgets a whole zone that is cut off from us would have it bought anew.
#[tokio::test(flavor = "current_thread")]
async fn a_mass_that_is_silent_and_missing_is_not_failed() {
    let world = silent(10).await;
    world.cloud().list_from_now(all_but(&world, 10, &[0, 1, 2, 3, 4]));
    world.cloud().answer_sights([None; 50]);
    let mut controller = orphans(&world);
    // 5 of 10 are missing, which the cloud may be right about; one more is silent.
    sweep_heard(&world, &mut controller, 3, |number| number > 5).await;
    assert!(failed(&world).is_empty());
    sweep_heard(&world, &mut controller, 1, |number| number > 4).await;
    assert_eq!(failed(&world), ["i0"]);
}

/// Without it a machine whose agent beats is failed because its cloud forgot it.
#[tokio::test(flavor = "current_thread")]
async fn a_beating_machine_is_not_gone() {
    let world = silent(10).await;
    world.cloud().list_from_now(all_but(&world, 10, &[3]));
    world.cloud().answer_sights([None, None, None]);
    let mut controller = orphans(&world);
    for _ in 0..4 {
        world.beat("m-i3", 50.0);
        world.reconcile(&mut controller);
        world.advance(70).await;
    }
    assert_eq!(world.cloud().take_calls().len(), 3, "it was looked for");
    assert!(failed(&world).is_empty());
}

/// Without it an empty list from a cloud in trouble would replace a whole fleet, and a cloud that loses machines
/// one by one would be followed faster than anybody can look.
#[tokio::test(flavor = "current_thread")]
async fn a_mass_absence_is_the_clouds_trouble() {
    let world = silent(10).await;
    world.cloud().answer_sights([None; 50]);
    let mut controller = orphans(&world);
    for (missing, gone) in
        [((0..10).collect::<Vec<_>>(), 0), ((0..6).collect(), 0), ((0..5).collect(), 1)]
    {
        world.cloud().list_from_now(all_but(&world, 10, &missing));
        sweep_heard(&world, &mut controller, 1, |number| number >= 5).await;
        assert!(failed(&world).len() <= gone, "{missing:?}: {:?}", failed(&world));
    }
    sweep_heard(&world, &mut controller, 0, |number| number >= 5).await;
    assert_eq!(failed(&world).len(), 1, "at most a tenth of the pool after one listing");
}

/// Without it a provider that is taken out of the configuration would be asked for ever.
#[tokio::test(flavor = "current_thread")]
async fn only_configured_providers_are_searched() {
    let world = World::new(Vec::new());
    let mut controller = orphans(&world);
    world.reconcile(&mut controller);
    assert_eq!(controller.known.len(), 2);
    world.accept(Kind::ApplyFleetSpec(navarch_proto::fleet::ApplyFleetSpec {
        spec: Some(FleetSpec {
            providers: spec(Vec::new()).providers[..1].to_vec(),
            ..FleetSpec::default()
        }),
        ..navarch_proto::fleet::ApplyFleetSpec::default()
    }));
    world.advance(200).await;
    world.reconcile(&mut controller);
    assert_eq!(controller.known.len(), 1);
}

/// Without it an order that a cloud without idempotency keys never answered would keep its slot for ever, or be given
/// up although the cloud shows its machine.
#[tokio::test(flavor = "current_thread")]
async fn orders_that_a_cloud_forgets_are_given_up_in_the_end() {
    for (forgets, shown, expected) in [
        (true, false, "failed"),
        (true, true, "pending_registration"),
        (false, false, "provisioning"),
    ] {
        let world = World::new(vec![pool("a", 0, 5)]);
        if forgets {
            world.cloud().forget_orders();
        }
        world.order("i1", "a");
        world.cloud().list_from_now(Vec::new());
        let mut controller = orphans(&world);
        sweep(&world, &mut controller, 3).await;
        assert_eq!(world.states("a")[0].1, "provisioning", "before its launch time-out");
        world.advance(120).await;
        if shown {
            let tags = [(labels::CLUSTER, MINE), (labels::INSTANCE, "i1"), (labels::POOL, "a")];
            world.cloud().list_from_now(vec![listed(&world, "m-i1", &tags)]);
        }
        sweep(&world, &mut controller, 0).await;
        let early = if shown { expected } else { "provisioning" };
        assert_eq!(world.states("a")[0].1, early, "one listing proves nothing");
        sweep(&world, &mut controller, 2).await;
        assert_eq!(world.states("a")[0].1, expected, "{forgets} {shown}");
        let failure = world.instance("i1").failure;
        let given_up = expected == "failed";
        assert_eq!(failure == navarch_proto::fleet::FailureKind::LaunchTimeout, given_up);
    }
}
