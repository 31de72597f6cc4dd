use std::sync::Mutex;

use navarch_proto::{
    api::HealthStatus,
    fleet::{ApplyFleetSpec, FailInstance, FailureKind, NotifierSpec, UncordonNode},
};

use super::*;
use crate::{
    controllers::{
        testing::{World, pool},
        testing_workloads::{failed, refused},
    },
    notify::{HealthTransition, InstanceFailure, InstanceObserver, NodeHealthObserver},
};

const HEALTHY: HealthStatus = HealthStatus::Healthy;
const UNHEALTHY: HealthStatus = HealthStatus::Unhealthy;
const UNKNOWN: HealthStatus = HealthStatus::Unknown;

/// Keeps what it was told; fails where a test says so.
#[derive(Default)]
struct Diary {
    told: Mutex<Vec<(u64, String)>>,
    failures: Mutex<Vec<NotifyError>>,
    panics: bool,
}

impl Diary {
    fn write(&self, index: u64, text: String) -> Result<(), NotifyError> {
        assert!(!self.panics, "a bug");
        self.told.lock().unwrap().push((index, text));
        self.failures.lock().unwrap().pop().map_or(Ok(()), Err)
    }

    /// What was told since the last time.
    fn take(&self) -> Vec<String> {
        self.take_with_indexes().into_iter().map(|(_, text)| text).collect()
    }

    fn take_with_indexes(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

#[async_trait]
impl NodeHealthObserver for Diary {
    async fn on_health_transition(&self, one: &HealthTransition) -> Result<(), NotifyError> {
        let HealthTransition { event_index, node_id, from, to, reason, .. } = one;
        self.write(*event_index, format!("{node_id} {from} {to} {reason}").trim().to_owned())
    }
}

#[async_trait]
impl InstanceObserver for Diary {
    async fn on_stale_instance(&self, one: &InstanceFailure) -> Result<(), NotifyError> {
        let text = format!("stale {} {} {}", one.instance_id, one.pool, one.provider_ref);
        self.write(one.event_index, text)
    }

    async fn on_failed_instance(&self, one: &InstanceFailure) -> Result<(), NotifyError> {
        let text = format!("failed {} {} {}", one.instance_id, one.failure, one.reason);
        self.write(one.event_index, text)
    }
}

fn world() -> World {
    let world = World::new(vec![pool("a", 0, 5)]);
    world.running("i1", "a");
    world.running("i2", "a");
    world
}

/// A fresh session's controller that tells `diary`.
fn of(world: &World, diary: &Arc<Diary>) -> Observation {
    let observers =
        Observers { health: vec![Arc::clone(diary) as _], instances: vec![Arc::clone(diary) as _] };
    Observation::new(observers, Arc::clone(&world.notifiers))
}

fn with_webhook(world: &World) {
    let mut spec = (**world.fleet().spec().unwrap()).clone();
    spec.settings.get_or_insert_default().notifier = Some(NotifierSpec {
        r#type: "webhook".to_owned(),
        health_url: "http://health.example".to_owned(),
        ..NotifierSpec::default()
    });
    world.accept(Kind::ApplyFleetSpec(ApplyFleetSpec {
        spec: Some(spec),
        ..ApplyFleetSpec::default()
    }));
}

fn sick(world: &World, node_id: &str) {
    world.report(node_id, UNHEALTHY, UNKNOWN);
}

fn uncordon(world: &World, node_id: &str) {
    let node_id = node_id.to_owned();
    world.accept(Kind::UncordonNode(UncordonNode { node_id, ..UncordonNode::default() }));
}

fn fail(world: &World, id: &str, kind: FailureKind) {
    world.accept(Kind::FailInstance(FailInstance {
        instance_id: id.to_owned(),
        kind: kind.into(),
        reason: "so".to_owned(),
        instance_revision: 0,
    }));
}

/// Without it an observer would miss a node that breaks, or be told of the same break twice.
#[tokio::test(flavor = "current_thread")]
async fn every_transition_is_told_once() {
    let (world, diary) = (world(), Arc::<Diary>::default());
    let mut observation = of(&world, &diary);
    world.reconcile(&mut observation);
    assert_eq!(diary.take(), [""; 0]);
    world.report("m-i1", HEALTHY, UNKNOWN);
    sick(&world, "m-i2");
    sick(&world, "m-i2");
    uncordon(&world, "m-i2");
    world.reconcile(&mut observation);
    let expected = ["m-i1 unknown healthy", "m-i2 unknown unhealthy", "m-i2 unhealthy unknown"];
    assert_eq!(diary.take(), expected);
    world.reconcile(&mut observation);
    assert_eq!(diary.take(), [""; 0]);
    assert_eq!(world.fleet().observed_event_index(), world.fleet().last_event_index());
}

/// Without it an observer could not tell a machine that never came up from one that broke.
#[tokio::test(flavor = "current_thread")]
async fn failed_instances_are_told_by_their_kind() {
    let (world, diary) = (world(), Arc::<Diary>::default());
    let mut observation = of(&world, &diary);
    world.bought("i3", "a");
    world.order("i4", "a");
    fail(&world, "i3", FailureKind::Stale);
    fail(&world, "i4", FailureKind::Capacity);
    world.reconcile(&mut observation);
    assert_eq!(diary.take(), ["stale i3 a m-i3", "failed i4 capacity so"]);
}

/// Without it a change of leader would swallow what its predecessor had not told, or repeat all of it.
#[tokio::test(flavor = "current_thread")]
async fn a_new_leader_goes_on_where_the_last_one_was() {
    let (mut world, diary) = (world(), Arc::<Diary>::default());
    // The first session tells nothing; the second one knows from where on.
    world.reconcile(&mut of(&world, &diary));
    world.report("m-i1", HEALTHY, UNKNOWN);
    world.new_session();
    world.reconcile(&mut of(&world, &diary));
    assert_eq!(diary.take(), ["m-i1 unknown healthy"]);
    world.new_session();
    sick(&world, "m-i1");
    let mut observation = of(&world, &diary);
    world.reconcile(&mut observation);
    assert_eq!(diary.take(), ["m-i1 healthy unhealthy"]);
    // A leader that tells and dies before it can record that: the same index comes again.
    sick(&world, "m-i2");
    world.group.group.fault([crate::ledger::LocalFault::Refuse]);
    world.reconcile(&mut observation);
    let first = diary.take_with_indexes();
    world.new_session();
    world.reconcile(&mut of(&world, &diary));
    assert_eq!(first, diary.take_with_indexes());
    assert_eq!(first.len(), 1);
}

/// Without it an observer that fails for a moment would lose a transition, or lose their order.
#[tokio::test(flavor = "current_thread")]
async fn a_failed_call_comes_again_and_holds_its_place() {
    let (world, diary) = (world(), Arc::<Diary>::default());
    let mut observation = of(&world, &diary);
    diary.failures.lock().unwrap().push(NotifyError::Failed("busy".to_owned()));
    sick(&world, "m-i1");
    sick(&world, "m-i2");
    let report = world.reconcile(&mut observation);
    assert!(report.last_error.ends_with("is told an observer again: busy"), "{report:?}");
    assert_eq!(diary.take(), ["m-i1 unknown unhealthy"]);
    let observed = world.fleet().observed_event_index();
    world.reconcile(&mut observation);
    assert_eq!(diary.take(), [""; 0], "not before its time");
    world.advance(2).await;
    world.reconcile(&mut observation);
    assert_eq!(diary.take(), ["m-i1 unknown unhealthy", "m-i2 unknown unhealthy"]);
    assert!(world.fleet().observed_event_index() > observed);
}

/// Without it an observer's bug would end all that is told, and the leader's work with it.
#[tokio::test(flavor = "current_thread")]
async fn a_panic_passes_its_event_over_and_harms_no_other_observer() {
    let (world, diary) = (world(), Arc::<Diary>::default());
    let broken = Arc::new(Diary { panics: true, ..Diary::default() });
    let observers =
        Observers { health: vec![broken, Arc::clone(&diary) as _], ..Observers::default() };
    let mut observation = Observation::new(observers, Arc::clone(&world.notifiers));
    sick(&world, "m-i1");
    let report = world.reconcile(&mut observation);
    assert!(report.last_error.contains("the observer panicked"), "{report:?}");
    assert_eq!(diary.take(), ["m-i1 unknown unhealthy"]);
    assert_eq!(world.fleet().observed_event_index(), world.fleet().last_event_index());
}

/// Without it a fleet that nobody observes would write to its log, which replicas of an older build cannot read.
#[tokio::test(flavor = "current_thread")]
async fn without_observers_nothing_is_recorded() {
    let world = world();
    let mut observation = Observation::new(Observers::default(), Arc::clone(&world.notifiers));
    sick(&world, "m-i1");
    assert_eq!(world.reconcile(&mut observation), Report::default());
    assert_eq!(world.fleet().observed_event_index(), 0);
}

/// Without it a webhook would get an hour's history as news, or miss what comes next.
#[tokio::test(flavor = "current_thread")]
async fn a_webhook_is_told_from_its_configuration_on() {
    let mut world = world();
    let mut observation = Observation::new(Observers::default(), Arc::clone(&world.notifiers));
    sick(&world, "m-i1");
    world.reconcile(&mut observation);
    with_webhook(&world);
    sick(&world, "m-i2");
    world.reconcile(&mut observation);
    let told = world.workloads.take_calls();
    let index = world.fleet().last_event_index();
    assert_eq!(told, [format!("health {index} m-i2 unknown unhealthy")]);
    world.new_session();
    uncordon(&world, "m-i1");
    let mut next = Observation::new(Observers::default(), Arc::clone(&world.notifiers));
    world.reconcile(&mut next);
    let index = world.fleet().last_event_index();
    assert_eq!(world.workloads.take_calls(), [format!("health {index} m-i1 unhealthy unknown")]);
}

/// Without it one node whose notice fails or hangs would keep the webhook from hearing of any other.
#[tokio::test(flavor = "current_thread")]
async fn a_webhook_hears_of_each_node_in_order_and_of_others_meanwhile() {
    let world = world();
    with_webhook(&world);
    let mut observation = Observation::new(Observers::default(), Arc::clone(&world.notifiers));
    world.workloads.answer([failed()]);
    sick(&world, "m-i1");
    uncordon(&world, "m-i1");
    sick(&world, "m-i2");
    let words = |calls: Vec<String>| -> Vec<String> {
        let word = |call: &String| call.splitn(3, ' ').last().unwrap().to_owned();
        calls.iter().map(word).collect()
    };
    world.reconcile(&mut observation);
    let calls = words(world.workloads.take_calls());
    assert_eq!(calls, ["m-i1 unknown unhealthy", "m-i2 unknown unhealthy"]);
    let observed = world.fleet().observed_event_index();
    assert!(observed < world.fleet().last_event_index(), "the first one is not told yet");
    world.advance(2).await;
    // A refusal is final.
    world.workloads.answer([refused()]);
    let report = world.reconcile(&mut observation);
    assert!(report.last_error.contains("is passed over by an observer: refused: 403"));
    let calls = words(world.workloads.take_calls());
    assert_eq!(calls, ["m-i1 unknown unhealthy", "m-i1 unhealthy unknown"]);
    assert_eq!(world.fleet().observed_event_index(), world.fleet().last_event_index());
}

/// Without it a library's observer that never returns would end all that is told.
#[tokio::test(flavor = "current_thread")]
async fn an_observer_that_hangs_is_told_again() {
    struct Hangs;
    #[async_trait]
    impl NodeHealthObserver for Hangs {
        async fn on_health_transition(&self, _: &HealthTransition) -> Result<(), NotifyError> {
            std::future::pending().await
        }
    }
    let world = world();
    let observers = Observers { health: vec![Arc::new(Hangs)], ..Observers::default() };
    let mut observation = Observation::new(observers, Arc::clone(&world.notifiers));
    sick(&world, "m-i1");
    let tenure = world.tenure(NAME);
    let passes = async {
        loop {
            let report = observation.reconcile(&tenure).await;
            if report.failed > 0 {
                return report;
            }
        }
    };
    let (report, ()) = futures::join!(passes, world.advance(31));
    assert!(report.last_error.ends_with("the observer did not answer within 30 s"), "{report:?}");
}
