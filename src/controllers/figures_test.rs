//! Pools that are scaled by what is pushed, and by the history of their heartbeats.

use std::sync::Arc;

use futures::FutureExt as _;
use navarch_fleet::FleetState;
use navarch_proto::fleet::{
    Autoscaling, CordonNode, DrainNode, PoolSpec, Predictive, Queue, RecordPoolMetrics,
    autoscaling::Strategy, proposal::Kind,
};

use super::{
    autoscaler::Autoscaler,
    digest::Digest,
    provisioning_delay::{DEFAULT_DELAY_MS, provisioning_delay_ms},
    testing::{World, pool},
};
use crate::{
    metrics_source::{Heartbeats, MetricsSource, Question},
    scaling::{Autoscalers, Needs, Sample},
};

fn scaled(strategy: Strategy, min: u32, max: u32) -> PoolSpec {
    PoolSpec { autoscaling: Some(Autoscaling { strategy: Some(strategy) }), ..pool("a", min, max) }
}

fn queue(jobs_per_node: u32) -> PoolSpec {
    PoolSpec { cooldown_ms: 0, ..scaled(Strategy::Queue(Queue { jobs_per_node }), 1, 20) }
}

fn predictive(lookback_window: u32) -> PoolSpec {
    let predictive = Predictive { lookback_window, growth_factor: 1.0, fallback: None };
    scaled(Strategy::Predictive(Box::new(predictive)), 1, 20)
}

fn report(world: &World, queue_depth: u32, ttl_ms: u64) {
    world.accept(Kind::RecordPoolMetrics(RecordPoolMetrics {
        pool: "a".to_owned(),
        queue_depth: Some(queue_depth),
        ttl_ms,
        ..RecordPoolMetrics::default()
    }));
}

/// One pass; the pool's target and its reason afterwards.
fn pass(world: &World) -> (u32, String) {
    world.reconcile(&mut Autoscaler::new(Arc::clone(&world.metrics), Autoscalers::default()));
    let fleet = world.fleet();
    let pool = fleet.pool("a").unwrap();
    (pool.target, pool.reason.to_string())
}

/// Without it the queue strategy would have no figures, or a person could not see whose figures moved a pool.
#[tokio::test(flavor = "current_thread")]
async fn a_queue_pool_follows_what_is_pushed() {
    let mut world = World::new(vec![queue(10)]);
    let silent = "no fresh queue depth (pushed: no report that holds): holding 1";
    assert_eq!(pass(&world), (1, silent.to_owned()));
    report(&world, 70, 0);
    world.advance(12).await;
    let busy = "queue depth 70 (pushed 12 s ago): 7 nodes at 10 jobs a node: 1 to 7";
    assert_eq!(pass(&world), (7, busy.to_owned()));
    world.new_session();
    report(&world, 0, 60_000);
    world.new_session();
    let idle =
        "queue depth 0 (pushed 0 s ago): 0 nodes at 10 jobs a node: 7 to 1, held to the minimum 1";
    assert_eq!(pass(&world), (1, idle.to_owned()), "it outlives the leader");
    report(&world, 55, 60_000);
    assert_eq!(pass(&world).0, 6);
    world.advance(60).await;
    let silent = "no fresh queue depth (pushed: no report that holds): holding 6";
    assert_eq!(pass(&world), (6, silent.to_owned()), "no data is not zero");
    let events = world.events("pool-decided").len();
    world.advance(30).await;
    assert_eq!(pass(&world).0, 6);
    assert_eq!(world.events("pool-decided").len(), events, "told once");
}

/// A pool `a` of that many running machines.
fn running(spec: PoolSpec, count: u32) -> World {
    let world = World::new(vec![spec]);
    for number in 1..=count {
        world.running(&format!("i{number}"), "a");
    }
    world
}

fn look(heartbeats: &Heartbeats, fleet: &FleetState, now_ms: u64) -> (Option<f64>, Vec<Sample>) {
    let pool = fleet.pool_spec("a").unwrap();
    let needs = Needs { utilization: true, history: true, ..Needs::default() };
    let question = Question { fleet, pool, needs, now_ms };
    let figures = heartbeats.figures(question).now_or_never().unwrap();
    let utilization = match figures.utilization {
        crate::metrics_source::Figure::Known(reading) => Some(reading.value),
        _ => None,
    };
    (utilization, figures.history)
}

fn percents(samples: &[Sample]) -> Vec<f64> {
    samples.iter().map(|sample| sample.utilization).collect()
}

/// Without it the samples would be the nodes' one after the other, and a pool of a busy and an idle node would
/// look as if its load rose and fell.
#[tokio::test(flavor = "current_thread")]
async fn a_sample_is_of_the_whole_pool_at_one_moment() {
    let world = running(predictive(4), 4);
    world.register("standalone", "z1", Some("a"));
    let heartbeats = Heartbeats::new(Arc::clone(&world.liveness));
    assert_eq!(look(&heartbeats, &world.fleet(), world.now_ms()), (None, vec![]));
    let mut seen = (None, vec![]);
    for round in 0..3_u32 {
        for (node, base) in [("m-i1", 100.0), ("m-i2", 0.0), ("standalone", 100.0)] {
            let percent = if base > 50.0 { base - f64::from(round) * 10.0 } else { base };
            world.beat(node, percent);
        }
        seen = look(&heartbeats, &world.fleet(), world.now_ms());
        world.advance(30).await;
    }
    assert_eq!(seen.0, Some(40.0));
    assert_eq!(percents(&seen.1), [50.0, 45.0, 40.0]);
    let moments: Vec<u64> = seen.1.windows(2).map(|two| two[1].at_ms - two[0].at_ms).collect();
    assert_eq!(moments, [30_000; 2]);
    world.accept(Kind::CordonNode(CordonNode {
        node_id: "m-i1".to_owned(),
        ..CordonNode::default()
    }));
    world.beat("m-i1", 90.0);
    world.beat("m-i2", 10.0);
    world.accept(Kind::DrainNode(DrainNode { node_id: "m-i2".to_owned(), ..DrainNode::default() }));
    let (utilization, _) = look(&heartbeats, &world.fleet(), world.now_ms());
    assert_eq!(utilization, Some(90.0), "cordoned is in service, draining is not");
}

/// Without it a predictive pool would fall back for minutes after each change of leader.
#[tokio::test(flavor = "current_thread")]
async fn a_follower_takes_the_samples_by_the_digests() {
    let world = running(predictive(3), 1);
    let follower = Heartbeats::new(Arc::default());
    for percent in [50.0, 60.0, 70.0] {
        world.beat("m-i1", percent);
        world.reconcile(&mut Digest::new(Arc::clone(&world.liveness)));
        follower.follow(&world.fleet(), &Autoscalers::default());
        world.advance(30).await;
    }
    let (utilization, history) = look(&follower, &world.fleet(), world.now_ms());
    assert_eq!(utilization, Some(70.0), "by the last digest");
    assert_eq!(percents(&history), [50.0, 60.0, 70.0, 70.0]);
}

/// Without it the predictive strategy would never see its samples, or aim at a time that has nothing to do with
/// the pool's own machines.
#[tokio::test(flavor = "current_thread")]
async fn a_predictive_pool_looks_ahead_by_its_own_delay() {
    let world = World::new(vec![predictive(3)]);
    assert_eq!(provisioning_delay_ms(&world.fleet(), "a"), DEFAULT_DELAY_MS);
    world.order("i1", "a");
    world.advance(90).await;
    world.accept(Kind::RecordPurchase(navarch_proto::fleet::RecordPurchase {
        instance_id: "i1".to_owned(),
        provider_ref: "m-i1".to_owned(),
        ..navarch_proto::fleet::RecordPurchase::default()
    }));
    world.advance(30).await;
    world.register("m-i1", "z1", None);
    assert_eq!(provisioning_delay_ms(&world.fleet(), "a"), 120_000);
    for number in 2..=3 {
        world.running(&format!("i{number}"), "a");
    }
    assert_eq!(provisioning_delay_ms(&world.fleet(), "a"), 0, "the median of the last");
    world.order("i4", "a");
    assert_eq!(provisioning_delay_ms(&world.fleet(), "a"), 0, "what is not ready does not count");

    let world = running(predictive(3), 1);
    let mut seen = Vec::new();
    for percent in [50.0, 62.0, 78.0] {
        world.beat("m-i1", percent);
        seen.push(pass(&world));
        world.advance(30).await;
    }
    assert_eq!(seen[1], (1, "fewer samples than the window of 3: holding 1".to_owned()));
    assert_eq!(seen[2].0, 1, "level at its own delay of no time");
    assert!(seen[2].1.contains("moving +28.00 a minute is 78.0 % in 0 s"), "{}", seen[2].1);
}
