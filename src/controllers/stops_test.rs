//! Replacements that breakers stop.

use navarch_proto::{
    api::HealthStatus,
    fleet::{
        BreakerForce, BreakerScope, DeclareLost, OverrideBreaker, PoolSpec, RecordBreaker,
        proposal::Kind,
    },
};

use super::{
    replacer::Replacer,
    testing::{World, pool, words},
};
use std::sync::Arc;

/// A pool `a` of ten running machines with room, of which any number may be replaced.
fn world() -> World {
    let spec = PoolSpec {
        replace_at_once_percent: 100,
        replace_per_hour_percent: 100,
        ..pool("a", 10, 20)
    };
    let world = World::new(vec![spec]);
    for number in 0..10 {
        world.running(&format!("i{number}"), "a");
    }
    world
}

/// The nodes from number `silent` on beat.
fn beat(world: &World, silent: usize) {
    (silent..10).for_each(|number| world.beat(&format!("m-i{number}"), 50.0));
}

fn lose(world: &World, node_id: &str) {
    let node = world.node(node_id);
    let last_seen_ms = world.fleet().last_seen(node.number).map_or(0, |seen| seen.at.as_ms());
    world.accept(Kind::DeclareLost(DeclareLost {
        node_id: node_id.to_owned(),
        last_seen_ms,
        node_revision: node.revision.0,
        reason: "silent".to_owned(),
    }));
}

fn planned(world: &World) -> Vec<String> {
    let mut number = 0;
    let new_id = || {
        number += 1;
        format!("new{number}")
    };
    let replacer = Replacer::new(Arc::clone(&world.providers), Arc::clone(&world.liveness));
    words(&replacer.plan(&world.fleet(), world.now_ms(), new_id))
}

fn record(world: &World, open: bool, scope: BreakerScope, name: &str) {
    let fleet = world.fleet();
    let revision = fleet
        .breakers()
        .find(|(key, _)| {
            *key.name == *name && (scope != BreakerScope::Fleet || key.name.is_empty())
        })
        .map_or(0, |(_, breaker)| breaker.revision.0);
    world.accept(Kind::RecordBreaker(RecordBreaker {
        scope: scope.into(),
        name: name.to_owned(),
        open,
        reason: "6 of 9".to_owned(),
        breaker_revision: revision,
        ..RecordBreaker::default()
    }));
}

/// Without it machines would be replaced although their pool's, their zone's or everybody's breaker is open, or nobody
/// would see why they are not.
#[tokio::test(flavor = "current_thread")]
async fn an_open_breaker_holds_replacement_and_says_so() {
    for (scope, name, words) in [
        (BreakerScope::Fleet, "", "the fleet"),
        (BreakerScope::Pool, "a", "pool a"),
        (BreakerScope::Zone, "cloud//z1", "zone cloud//z1"),
    ] {
        let world = world();
        beat(&world, 0);
        lose(&world, "m-i0");
        assert_eq!(planned(&world), ["order for i0"]);
        record(&world, true, scope, name);
        let held = format!("hold-replacement a \"stopped by the breaker of {words}: 6 of 9\"");
        assert_eq!(planned(&world), [held]);
        world.reconcile(&mut Replacer::new(
            Arc::clone(&world.providers),
            Arc::clone(&world.liveness),
        ));
        assert_eq!(planned(&world), [""; 0], "said once");
        record(&world, false, scope, name);
        assert_eq!(planned(&world), ["order for i0", "hold-replacement a \"\""]);
    }
}

/// Without it replacements would slip through between a mass of trouble and its record in the log.
#[tokio::test(flavor = "current_thread")]
async fn what_is_seen_now_stops_before_it_is_recorded() {
    let world = world();
    world.advance(20).await;
    lose(&world, "m-i0");
    beat(&world, 6);
    let held = "hold-replacement a \"stopped by the breaker of the fleet, which is about to open\"";
    assert_eq!(planned(&world), [held]);
    beat(&world, 5);
    assert_eq!(planned(&world), ["order for i0"]);
    for number in 1..6 {
        for _ in 0..2 {
            let id = format!("m-i{number}");
            world.report(&id, HealthStatus::Unhealthy, HealthStatus::Unknown);
        }
    }
    beat(&world, 1);
    assert_eq!(planned(&world), [held], "5 newly unhealthy and one lost of 10");
}

/// Without it an old machine would be given back in the middle of an outage because its successor happens to run.
#[tokio::test(flavor = "current_thread")]
async fn a_replacement_that_has_begun_waits_too() {
    let world = world();
    beat(&world, 0);
    lose(&world, "m-i0");
    world.reconcile(&mut Replacer::new(Arc::clone(&world.providers), Arc::clone(&world.liveness)));
    let new = world.instance("i0").replaced_by.as_ref().unwrap().to_string();
    world.accept(Kind::RecordPurchase(navarch_proto::fleet::RecordPurchase {
        instance_id: new.clone(),
        provider_ref: format!("m-{new}"),
        ..Default::default()
    }));
    world.register(&format!("m-{new}"), "z1", None);
    assert_eq!(planned(&world), ["fail i0 FAILURE_KIND_NODE_LOST"]);
    world.accept(Kind::OverrideBreaker(OverrideBreaker {
        scope: BreakerScope::Pool.into(),
        name: "a".to_owned(),
        force: BreakerForce::Open.into(),
        duration_ms: 60_000,
        reason: "wait".to_owned(),
        breaker_revision: 0,
    }));
    assert_eq!(planned(&world), ["hold-replacement a \"stopped by the breaker of pool a: wait\""]);
}
