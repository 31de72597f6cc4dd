use futures::FutureExt as _;
use navarch_proto::{
    api::HealthStatus,
    fleet::{
        Autoscaling, DeclareLost, Reactive, RecordTermination, ScalePool, Scheduled,
        TerminateInstance, Window, autoscaling::Strategy,
    },
};

use super::*;
use crate::controllers::{
    digest::Digest,
    testing::{World, pool, words},
};

fn reactive(scale_up_at: f64, scale_down_at: f64) -> Option<Autoscaling> {
    let reactive = Reactive { scale_up_at, scale_down_at };
    Some(Autoscaling { strategy: Some(Strategy::Reactive(reactive)) })
}

fn scaled(min: u32, max: u32) -> PoolSpec {
    PoolSpec { autoscaling: reactive(80.0, 20.0), ..pool("a", min, max) }
}

fn scale(world: &World, target: u32, hold_until_ms: u64) {
    world.accept(Kind::ScalePool(ScalePool { pool: "a".to_owned(), target, hold_until_ms }));
}

fn autoscaler(world: &World) -> Autoscaler {
    Autoscaler::new(Arc::clone(&world.metrics), Autoscalers::default())
}

/// What a pass would propose. The figures are at hand, so it does not wait.
fn steps(world: &World) -> Vec<Kind> {
    let (fleet, now_ms) = (world.fleet(), world.now_ms());
    let autoscaler = autoscaler(world);
    let gathered = autoscaler.gather(&fleet, now_ms).now_or_never().expect("a source waits");
    plan(&fleet, &gathered, &Autoscalers::default(), now_ms)
}

/// The changes of targets among them.
fn planned(world: &World) -> Vec<String> {
    let fleet = world.fleet();
    let changes = |step: &Kind| match step {
        Kind::SetPoolTarget(step) => {
            fleet.pool(&step.pool).is_none_or(|pool| pool.target != step.target)
        }
        _ => true,
    };
    let steps: Vec<_> = steps(world).into_iter().filter(changes).collect();
    words(&steps)
}

/// Without it nobody could ask later why a pool was left as it was, or the journal would fill with the same opinion.
#[tokio::test(flavor = "current_thread")]
async fn decisions_are_kept_with_what_they_were_made_from() {
    let world = running(scaled(1, 4), 3, 90.0);
    let last = |world: &World| {
        let fleet = world.fleet();
        let last = fleet.pool("a").unwrap().decision.clone().unwrap();
        let inputs = last.inputs.clone().unwrap();
        (last.cause.clone(), last.target, inputs.size, inputs.utilization)
    };
    assert_eq!(pass(&world), 1);
    assert_eq!(last(&world), ("demand".to_owned(), 4, 3, Some(90.0)));
    world.running("i4", "a");
    beat(&world, 4, 10.0);
    assert_eq!(pass(&world), 1, "it would scale down, and may not yet");
    assert_eq!(last(&world).0, "cooldown");
    assert_eq!(pass(&world), 0, "told once");
    beat(&world, 4, 95.0);
    assert_eq!(pass(&world), 1);
    assert_eq!(last(&world).0, "at-limit");
    assert_eq!(world.events("pool-decided").len(), 3);
}

/// Without it an operator who freezes a pool could not be sure that nothing is bought or given back.
#[tokio::test(flavor = "current_thread")]
async fn a_paused_pool_is_left_alone() {
    use navarch_proto::fleet::PausePool;

    use crate::controllers::{provisioner::Provisioner, replacer::Replacer, scale_down::ScaleDown};

    let world = running(scaled(1, 6), 3, 99.0);
    world.report("m-i1", HealthStatus::Unhealthy, HealthStatus::Unhealthy);
    world.report("m-i1", HealthStatus::Unhealthy, HealthStatus::Unhealthy);
    let pause = |paused| {
        let reason = "maintenance".to_owned();
        Kind::PausePool(PausePool { pool: "a".to_owned(), paused, reason })
    };
    world.accept(pause(true));
    scale(&world, 4, 0);
    let occupancy = |world: &World| world.fleet().pool_counts("a").occupancy();
    world.reconcile(&mut Provisioner::new(Arc::clone(&world.providers)));
    world.reconcile(&mut Replacer::new(Arc::clone(&world.providers), Arc::clone(&world.liveness)));
    assert_eq!(pass(&world), 0);
    assert_eq!(occupancy(&world), 3, "nothing is bought");
    scale(&world, 1, 0);
    world.reconcile(&mut ScaleDown::new(Arc::clone(&world.liveness)));
    assert_eq!(world.node("m-i2").administrative.to_string(), "active");
    world.accept(pause(false));
    scale(&world, 4, 0);
    world.reconcile(&mut Provisioner::new(Arc::clone(&world.providers)));
    assert_eq!(occupancy(&world), 4);
    assert_eq!(world.events("pool-pause").len() + world.events("pool-resume").len(), 2);
}

fn pass(world: &World) -> u32 {
    world.reconcile(&mut autoscaler(world)).steps
}

/// A pool of `count` running machines, all wanted, with that utilisation.
fn running(spec: PoolSpec, count: u32, utilization: f64) -> World {
    let world = World::new(vec![spec]);
    scale(&world, count, 0);
    for number in 1..=count {
        world.running(&format!("i{number}"), "a");
    }
    beat(&world, count, utilization);
    world
}

fn beat(world: &World, count: u32, utilization: f64) {
    for number in 1..=count {
        world.beat(&format!("m-i{number}"), utilization);
    }
}

/// Without it a pool would not follow its load, or the journal would fill with opinions.
#[tokio::test(flavor = "current_thread")]
async fn only_a_changed_target_is_proposed() {
    for (utilization, expected) in
        [(90.0, vec!["target a 4"]), (80.0, vec![]), (20.0, vec![]), (10.0, vec!["target a 2"])]
    {
        let world = running(scaled(1, 6), 3, utilization);
        assert_eq!(planned(&world), expected, "{utilization} %");
    }
}

/// Without it a pool would take a step each time it is looked at, on one and the same load.
#[tokio::test(flavor = "current_thread")]
async fn a_step_starts_a_cooldown_that_holds_to_the_second() {
    let world = running(scaled(1, 6), 3, 90.0);
    assert_eq!(pass(&world), 1);
    world.running("i4", "a");
    world.advance(299).await;
    beat(&world, 4, 90.0);
    assert_eq!(planned(&world), [""; 0]);
    world.advance(1).await;
    assert_eq!(planned(&world), ["target a 5"]);
}

/// Without it a pool could not grow at once and shrink with patience, over a change of leader too.
#[tokio::test(flavor = "current_thread")]
async fn a_pool_grows_at_once_and_shrinks_with_patience() {
    let patient = PoolSpec {
        scale_up_cooldown_ms: Some(0),
        scale_down_cooldown_ms: Some(900_000),
        ..scaled(1, 6)
    };
    let mut world = running(patient, 3, 90.0);
    assert_eq!(pass(&world), 1);
    world.running("i4", "a");
    world.advance(1).await;
    beat(&world, 4, 90.0);
    assert_eq!(planned(&world), ["target a 5"], "up at once");
    pass(&world);
    world.running("i5", "a");
    world.new_session();
    world.advance(899).await;
    beat(&world, 5, 10.0);
    pass(&world);
    assert_eq!(world.fleet().pool("a").unwrap().target, 5, "down not yet");
    world.advance(1).await;
    beat(&world, 5, 10.0);
    assert_eq!(planned(&world), ["target a 4"]);
}

/// Without it a new leader would forget the cooldown, and an operator's hold.
#[tokio::test(flavor = "current_thread")]
async fn cooldown_and_hold_outlive_the_leader() {
    let mut world = running(scaled(1, 6), 3, 90.0);
    pass(&world);
    world.running("i4", "a");
    world.advance(200).await;
    world.new_session();
    world.advance(99).await;
    beat(&world, 4, 90.0);
    assert_eq!(planned(&world), [""; 0]);
    world.advance(1).await;
    assert_eq!(planned(&world), ["target a 5"]);
    scale(&world, 4, world.now_ms() + 60_000);
    world.new_session();
    world.advance(59).await;
    beat(&world, 4, 90.0);
    assert_eq!(planned(&world), [""; 0]);
    world.advance(1).await;
    assert_eq!(planned(&world), ["target a 5"]);
}

/// Without it missing figures would be taken for an idle pool, and its machines given back.
#[tokio::test(flavor = "current_thread")]
async fn no_data_is_not_zero() {
    let world = running(scaled(1, 6), 3, 10.0);
    world.advance(30).await;
    assert_eq!(planned(&world), ["target a 2"], "as old as its time-out");
    world.advance(1).await;
    assert_eq!(planned(&world), [""; 0], "it holds");
    assert_eq!(pass(&world), 1, "and says so");
    assert_eq!(
        &*world.fleet().pool("a").unwrap().reason,
        "no fresh utilisation (pushed: no report that holds; heartbeats: no node in service told any \
         lately): holding 3"
    );
    world.advance(30).await;
    assert_eq!(steps(&world), [], "once a reason");
    beat(&world, 3, 50.0);
    assert_eq!(pass(&world), 1, "no longer than that is so");
    assert_eq!(
        &*world.fleet().pool("a").unwrap().reason,
        "utilisation 50.0 % (heartbeats 0 s ago) is within 20 to 80 %: stay at 3"
    );
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it a new leader would hold every pool until all nodes have beaten again.
#[tokio::test(flavor = "current_thread")]
async fn a_new_leader_starts_with_the_figures_of_the_log() {
    let mut world = running(scaled(1, 6), 3, 90.0);
    world.reconcile(&mut Digest::new(Arc::clone(&world.liveness)));
    world.new_session();
    assert_eq!(planned(&world), ["target a 4"]);
}

/// Without it a machine that is gone, or on its way out, would stand for one that is at work.
#[tokio::test(flavor = "current_thread")]
async fn machines_that_are_gone_are_no_capacity() {
    let spec = PoolSpec { auto_replace: false, ..scaled(3, 6) };
    let world = running(spec, 3, 50.0);
    world.register("standalone", "z1", Some("a"));
    assert_eq!(planned(&world), [""; 0]);
    let instance_id = "i1".to_owned();
    world.accept(Kind::TerminateInstance(TerminateInstance {
        instance_id: instance_id.clone(),
        ..TerminateInstance::default()
    }));
    world.accept(Kind::RecordTermination(RecordTermination { instance_id }));
    let fleet = world.fleet();
    let (spec, pool) = (fleet.pool_spec("a").unwrap(), fleet.pool("a").unwrap());
    let ailing = ailing(&fleet, world.now_ms()).get("a").copied().unwrap_or_default();
    let view = view(&fleet, (spec, pool), Found::default(), ailing);
    assert_eq!((view.healthy, view.size, view.booting), (2, 2, 0));
}

/// Without it the autoscaler would buy one more for a machine that the replacer replaces.
#[tokio::test(flavor = "current_thread")]
async fn repair_is_left_to_the_replacer() {
    for (auto_replace, expected) in [(true, vec![]), (false, vec!["target a 4"])] {
        let spec = PoolSpec { auto_replace, ..scaled(3, 6) };
        let lost = running(spec.clone(), 3, 50.0);
        let (node_id, node_revision) = ("m-i1".to_owned(), lost.node("m-i1").revision.0);
        lost.accept(Kind::DeclareLost(DeclareLost {
            node_id,
            node_revision,
            ..DeclareLost::default()
        }));
        assert_eq!(planned(&lost), expected, "lost");
        let unhealthy = running(spec, 3, 50.0);
        for _ in 0..2 {
            unhealthy.report("m-i1", HealthStatus::Unhealthy, HealthStatus::Unknown);
        }
        assert_eq!(planned(&unhealthy), expected, "unhealthy");
    }
}

/// Without it a schedule's window that is wider than its pool would be refused every half minute.
#[tokio::test(flavor = "current_thread")]
async fn a_window_never_leaves_the_pools_limits() {
    let window = Window { start_hour: 0, end_hour: 24, min_nodes: 9, max_nodes: 9, days: vec![] };
    let scheduled = Scheduled { schedule: vec![window], ..Scheduled::default() };
    let autoscaling =
        Some(Autoscaling { strategy: Some(Strategy::Scheduled(Box::new(scheduled))) });
    let world = World::new(vec![PoolSpec { autoscaling, ..pool("a", 1, 6) }]);
    assert_eq!(planned(&world), ["target a 6"]);
    assert_eq!(pass(&world), 1);
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it a decision on a pool that has changed meanwhile would overrule the operator.
#[tokio::test(flavor = "current_thread")]
async fn a_decision_on_an_older_pool_is_no_failure_and_changes_nothing() {
    let world = running(scaled(1, 6), 3, 90.0);
    let stale = steps(&world);
    scale(&world, 5, 0);
    let mut report = Report::default();
    let carried = world.tenure(NAME).carry_out(stale, &mut report).await;
    assert!(carried.is_continue());
    assert_eq!((report.steps, report.failed, report.overtaken), (0, 0, 1));
    assert_eq!(world.fleet().pool("a").unwrap().target, 5);
}

/// Without it one pool's own autoscaler that panics would leave all others as they are, or nobody would see which
/// it was.
#[tokio::test(flavor = "current_thread")]
async fn an_own_autoscaler_that_panics_holds_its_pool_alone() {
    use crate::scaling::{self, Needs};

    struct Own(&'static str);

    impl scaling::Autoscaler for Own {
        fn name(&self) -> &str {
            self.0
        }

        fn needs(&self) -> Needs {
            Needs { utilization: true, history: true, ..Needs::default() }
        }

        fn decide(&self, view: &PoolView) -> Decision {
            assert!(self.0 != "x-breaks", "no luck");
            Decision::demand(view, 3, &format!("{} samples", view.history.len()))
        }
    }

    let world = World::new(vec![scaled(1, 4), pool("b", 1, 4)]);
    world.running("i1", "b");
    world.beat("m-i1", 50.0);
    let own = |name| Arc::new(Own(name)) as Arc<dyn scaling::Autoscaler>;
    let own = [("a".to_owned(), own("x-breaks")), ("b".to_owned(), own("x-three"))];
    let autoscalers = Autoscalers::new(own.into()).unwrap();
    let mut autoscaler = Autoscaler::new(Arc::clone(&world.metrics), autoscalers);
    let report = world.reconcile(&mut autoscaler);
    assert_eq!((report.steps, report.failed), (2, 0));
    let fleet = world.fleet();
    let told = |name| {
        let pool = fleet.pool(name).unwrap();
        (pool.target, pool.reason.to_string())
    };
    assert_eq!(told("a"), (1, "x-breaks: it panicked, no luck: holding 1".to_owned()));
    assert_eq!(
        told("b"),
        (3, "x-three: 1 samples: 1 to 3".to_owned()),
        "what it needs is gathered"
    );
    assert_eq!(world.reconcile(&mut autoscaler).steps, 1, "a panic is told once");
}
