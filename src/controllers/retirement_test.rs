use std::sync::Arc;

use navarch_proto::fleet::{ApplyFleetSpec, FleetSpec, NotifierSpec, PausePool};

use super::*;
use crate::{
    controllers::{
        autoscaler::Autoscaler,
        drainer::Drainer,
        provisioner::Provisioner,
        replacer::Replacer,
        scale_down::ScaleDown,
        terminator::Terminator,
        testing::{World, pool, spec},
    },
    leader::Controller,
    scaling::Autoscalers,
};

/// Pool `a` with two machines that run and one that boots, pool `b` with none.
fn world() -> World {
    let world = World::new(vec![pool("a", 3, 9), pool("b", 0, 9)]);
    world.running("i1", "a");
    world.running("i2", "a");
    world.bought("i3", "a");
    world
}

fn without_a(force: bool) -> Kind {
    let spec = Some(FleetSpec { pools: vec![pool("b", 0, 9)], ..spec(Vec::new()) });
    Kind::ApplyFleetSpec(ApplyFleetSpec { spec, only_if_unset: false, force })
}

/// Everything that could touch a pool, in turn.
struct Loops {
    autoscaler: Autoscaler,
    provisioner: Provisioner,
    scale_down: ScaleDown,
    replacer: Replacer,
    drainer: Drainer,
    terminator: Terminator,
    retirement: Retirement,
}

impl Loops {
    fn new(world: &World) -> Self {
        Self {
            autoscaler: Autoscaler::new(Arc::clone(&world.metrics), Autoscalers::default()),
            provisioner: Provisioner::new(Arc::clone(&world.providers)),
            scale_down: ScaleDown::new(Arc::clone(&world.liveness)),
            replacer: Replacer::new(Arc::clone(&world.providers), Arc::clone(&world.liveness)),
            drainer: world.drainer(),
            terminator: Terminator::new(Arc::clone(&world.providers)),
            retirement: Retirement::default(),
        }
    }

    fn pass(&mut self, world: &World) {
        let loops: [&mut dyn Controller; 7] = [
            &mut self.autoscaler,
            &mut self.provisioner,
            &mut self.scale_down,
            &mut self.replacer,
            &mut self.drainer,
            &mut self.terminator,
            &mut self.retirement,
        ];
        for controller in loops {
            let report = world.reconcile(controller);
            assert_eq!(report.failed, 0, "{}: {}", controller.name(), report.last_error);
        }
    }
}

/// Without it a removed pool would stay for ever, or its machines be bought anew, or outlive it.
#[tokio::test(flavor = "current_thread")]
async fn a_pool_goes_after_the_last_of_its_machines() {
    let world = world();
    world.accept(without_a(true));
    assert_eq!(
        Retirement::default().plan(&world.fleet(), world.now_ms()),
        [],
        "while machines are there"
    );
    let mut loops = Loops::new(&world);
    for _ in 0..6 {
        loops.pass(&world);
        world.advance(1).await;
    }
    assert!(world.fleet().pool("a").is_none());
    let ends = world.states("a").into_iter().map(|(_, state)| state);
    assert_eq!(ends.collect::<Vec<_>>(), ["terminated"; 3]);
    assert_eq!(world.events("pool-re"), ["pool-retiring", "pool-removed"]);
    assert_eq!(world.events("node-drained").len(), 2, "who runs is drained first");
    assert_eq!(world.events("instance-requested").len(), 3, "nothing is bought");
}

/// Without it a leader that dies in the middle of a removal would leave the rest of it undone.
#[tokio::test(flavor = "current_thread")]
async fn a_new_leader_goes_on_where_the_old_one_died() {
    let mut world = world();
    let webhook = NotifierSpec { r#type: "webhook".to_owned(), ..NotifierSpec::default() };
    let mut spec = spec(vec![pool("b", 0, 9)]);
    spec.settings.get_or_insert_default().notifier = Some(webhook);
    let spec = Some(spec);
    world.accept(Kind::ApplyFleetSpec(ApplyFleetSpec { spec, only_if_unset: false, force: true }));
    let mut loops = Loops::new(&world);
    for _ in 0..3 {
        loops.pass(&world);
        world.advance(1).await;
    }
    let (fleet, draining) = (world.fleet(), ["m-i1", "m-i2"]);
    assert_eq!(draining.map(|id| world.node(id).administrative.to_string()), ["draining"; 2]);
    assert_eq!(fleet.pool_counts("a").occupancy(), 2, "the one that boots had no work");
    world.new_session();
    let mut loops = Loops::new(&world);
    // The deadline of the drains is the end of the patience with the workload system.
    world.advance(3_600).await;
    for _ in 0..6 {
        loops.pass(&world);
        world.advance(1).await;
    }
    assert!(world.fleet().pool("a").is_none());
    assert_eq!(world.fleet().machines_at("cloud"), 0);
}

/// Without it machines that drain for a removal would be lost to a pool that is taken back, or a pause would not stop
/// a removal.
#[tokio::test(flavor = "current_thread")]
async fn a_removal_can_be_paused_and_taken_back() {
    let world = world();
    world.accept(without_a(true));
    let pause = |paused| {
        let pool = "a".to_owned();
        Kind::PausePool(PausePool { pool, paused, reason: String::new() })
    };
    world.accept(pause(true));
    let mut scale_down = ScaleDown::new(Arc::clone(&world.liveness));
    assert_eq!(world.reconcile(&mut scale_down).steps, 0, "paused");
    world.accept(pause(false));
    world.reconcile(&mut scale_down);
    let administrative = |id: &str| world.node(id).administrative.to_string();
    assert_eq!(["m-i1", "m-i2"].map(administrative), ["draining"; 2]);
    let whole = spec(vec![pool("a", 0, 9), pool("b", 0, 9)]);
    let spec = Some(whole);
    world.accept(Kind::ApplyFleetSpec(ApplyFleetSpec { spec, ..ApplyFleetSpec::default() }));
    world.reconcile(&mut scale_down);
    assert_eq!(["m-i1", "m-i2"].map(administrative), ["active"; 2]);
    assert_eq!(world.fleet().pool("a").unwrap().target, 2);
}

/// Without it a provider that no file has any more would be called for ever.
#[tokio::test(flavor = "current_thread")]
async fn a_provider_goes_after_the_last_of_its_machines() {
    let world = world();
    let mut spec = spec(Vec::new());
    spec.providers.retain(|provider| provider.name == "other");
    let spec = Some(spec);
    world.accept(Kind::ApplyFleetSpec(ApplyFleetSpec { spec, only_if_unset: false, force: true }));
    assert!(world.fleet().provider_spec("cloud").unwrap().retiring);
    let mut loops = Loops::new(&world);
    for _ in 0..6 {
        loops.pass(&world);
        world.advance(1).await;
    }
    assert!(world.fleet().pool("a").is_none());
    assert!(world.fleet().provider_spec("cloud").is_some(), "a machine may turn up late");
    // The least age of an orphan, and two sweeps.
    world.advance(300 + 2 * 120).await;
    loops.pass(&world);
    assert!(world.fleet().provider_spec("cloud").is_none());
    assert_eq!(world.events("provider-").split_off(2), ["provider-retiring", "provider-removed"]);
}
