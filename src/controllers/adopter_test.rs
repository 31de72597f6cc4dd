use navarch_fleet::InstanceState;
use navarch_proto::fleet::{BeginAdoption, EndAdoption, TerminateInstance};
use serde_json::json;

use super::*;
use crate::controllers::testing::{World, pool};

/// A machine whose label says that it is `instance` of pool `a`.
fn machine(id: &str, instance: &str, state: &str) -> Machine {
    let labels = json!({
        labels::CLUSTER: "cluster-1", labels::INSTANCE: instance, labels::POOL: "a",
    });
    let machine = json!({ "id": id, "state": state, "labels": labels, "region": "eu" });
    serde_json::from_value(machine).unwrap()
}

fn begin() -> Kind {
    Kind::BeginAdoption(BeginAdoption {
        machine_tag: "cluster-1".to_owned(),
        ..BeginAdoption::default()
    })
}

/// One running, one terminating and one unanswered instance, and then the restore.
fn restored() -> (World, Adopter) {
    let world = World::new(vec![pool("a", 0, 4)]);
    world.running("i1", "a");
    world.bought("i2", "a");
    world.accept(Kind::TerminateInstance(TerminateInstance {
        instance_id: "i2".to_owned(),
        ..TerminateInstance::default()
    }));
    world.order("i3", "a");
    world.accept(begin());
    world.clouds["other"].list_from_now(Vec::new());
    let adopter = Adopter::new(Arc::clone(&world.providers));
    (world, adopter)
}

/// Without it machines that were bought after the snapshot would cost money and belong to nobody.
#[tokio::test]
async fn what_the_records_do_not_know_is_adopted_and_nothing_else() {
    let (world, mut adopter) = restored();
    let listed = || {
        vec![
            machine("m-i1", "i1", "running"),
            machine("m-i2", "i2", "running"),
            machine("m-i3", "i3", "running"),
            machine("m-i4", "i4", "provisioning"),
            machine("m-i5", "i5", "terminating"),
            machine("m-i6", "i6", "terminated"),
        ]
    };
    world.cloud().list_from_now(listed());
    let report = world.reconcile(&mut adopter);
    assert_eq!((report.steps, report.failed), (2, 0), "{report:?}");
    let state = |id: &str| world.fleet().instance(id).map(|one| one.state);
    assert_eq!(state("i2"), Some(InstanceState::Terminating));
    assert_eq!(state("i3"), Some(InstanceState::PendingRegistration));
    assert_eq!(state("i4"), Some(InstanceState::PendingRegistration));
    assert_eq!((state("i5"), state("i6")), (None, None));
    world.cloud().list_from_now(listed());
    assert_eq!(world.reconcile(&mut adopter).steps, 0, "once is enough");
    assert!(world.cloud().take_calls().is_empty(), "a listing is all that is asked for");
}

/// Without it an operator would end the mode although a provider was never listed, or a machine fits nowhere.
#[tokio::test]
async fn what_cannot_be_told_is_reported() {
    let (world, mut adopter) = restored();
    let report = world.reconcile(&mut adopter);
    assert!(
        report.failed == 1 && report.last_error.contains("cloud was not listed: "),
        "{report:?}"
    );
    let mut bare = machine("m-0", "i9", "running");
    bare.labels.retain(|key, _| key == labels::CLUSTER);
    world.cloud().list_from_now(vec![bare]);
    let report = world.reconcile(&mut adopter);
    assert!(report.last_error.contains("machine m-0 of cloud: it bears"), "{report:?}");
    world.cloud().list_from_now(vec![machine("m-9", "i1", "running")]);
    let report = world.reconcile(&mut adopter);
    assert!(report.last_error.contains("whose machine is m-i1"), "{report:?}");
    let mut elsewhere = machine("m-9", "i9", "running");
    elsewhere.labels.insert(labels::POOL.to_owned(), "zzz".to_owned());
    world.cloud().list_from_now(vec![elsewhere]);
    let report = world.reconcile(&mut adopter);
    assert!(report.last_error.contains("pool zzz is not configured"), "{report:?}");
}

/// Without it a cloud that ignores the filter would have somebody else's machines become ours.
#[tokio::test]
async fn somebody_elses_machine_is_not_adopted() {
    let (world, mut adopter) = restored();
    let mut theirs = machine("m-9", "i9", "running");
    theirs.labels.insert(labels::CLUSTER.to_owned(), "cluster-2".to_owned());
    world.cloud().list_from_now(vec![theirs]);
    let report = world.reconcile(&mut adopter);
    assert_eq!((report.steps, report.failed), (0, 0), "{report:?}");
    assert!(world.fleet().instance("i9").is_none());
}

/// Without it a fleet at work would list every provider for nothing, or stand still for ever.
#[tokio::test]
async fn outside_of_adopt_mode_nothing_is_listed() {
    let (world, mut adopter) = restored();
    world.accept(Kind::EndAdoption(EndAdoption {}));
    world.cloud().list_from_now(vec![machine("m-i4", "i4", "running")]);
    assert_eq!(world.reconcile(&mut adopter), Report::default());
    assert!(world.fleet().instance("i4").is_none());
}

/// Without it a controller that buys, gives back, gives up or scales could run while a person looks.
#[test]
fn only_these_work_while_a_restored_fleet_stands_still() {
    let (world, _) = restored();
    let parts = super::super::ControllerParts {
        liveness: Arc::clone(&world.liveness),
        providers: Arc::clone(&world.providers),
        notifiers: Arc::clone(&world.notifiers),
        observers: crate::notify::Observers::default(),
        metrics: Arc::clone(&world.metrics),
        autoscalers: crate::scaling::Autoscalers::default(),
    };
    let working: Vec<_> = super::super::all(&parts)
        .iter()
        .filter(|controller| controller.works_while_adopting())
        .map(|controller| controller.name())
        .collect();
    assert_eq!(working, ["drainer", "announcer", "observation", "digest", "retention", "adopter"]);
}
