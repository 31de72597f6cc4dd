//! What is told of pools from outside.

use navarch_proto::fleet::{
    DropExpired, FleetSpec, RecordPoolMetrics, RejectionCode, proposal::Kind,
};

use super::harness::{Fleet, apply_spec, pool_spec, spec};
use crate::{FleetState, PoolMetrics};

const MINUTE_MS: u64 = 60_000;

fn told(pool: &str) -> RecordPoolMetrics {
    RecordPoolMetrics { pool: pool.to_owned(), ..RecordPoolMetrics::default() }
}

fn depth(queue_depth: u32, ttl_ms: u64) -> Kind {
    let queue_depth = Some(queue_depth);
    Kind::RecordPoolMetrics(RecordPoolMetrics { queue_depth, ttl_ms, ..told("a") })
}

fn utilization(percent: f64, ttl_ms: u64) -> Kind {
    let utilization = Some(percent);
    Kind::RecordPoolMetrics(RecordPoolMetrics { utilization, ttl_ms, ..told("a") })
}

/// Without it the system that tells the queue would wipe what another one tells of the GPUs.
#[test]
fn each_figure_holds_by_itself() {
    let mut fleet = Fleet::configured();
    let before = fleet.state.last_event_index();
    let first = fleet.now_ms;
    fleet.accept(depth(70, 0));
    fleet.advance(MINUTE_MS);
    fleet.accept(utilization(55.5, MINUTE_MS));
    fleet.advance(1_000);
    fleet.accept(depth(0, MINUTE_MS));
    let metrics = fleet.state.pool_metrics("a");
    let queue = metrics.queue_depth.unwrap();
    assert_eq!((queue.value, queue.at.as_ms()), (0, fleet.now_ms), "the last report holds");
    let gpus = metrics.utilization.unwrap();
    assert_eq!((gpus.value, gpus.at.as_ms()), (55.5, first + MINUTE_MS));
    assert_eq!(
        (metrics.pending_jobs, fleet.state.pool_metrics("b")),
        (None, PoolMetrics::default())
    );
    assert_eq!(
        fleet.state.last_event_index(),
        before,
        "no journal of what comes every few seconds"
    );
}

/// Without it a wrong unit or a slip would scale a fleet, or be kept for a pool that nobody has.
#[test]
fn what_can_be_no_figure_is_refused() {
    let mut fleet = Fleet::configured();
    for (report, expected) in [
        (told("a"), "holds no figure"),
        (RecordPoolMetrics { utilization: Some(f64::NAN), ..told("a") }, "utilization is NaN"),
        (RecordPoolMetrics { utilization: Some(-0.1), ..told("a") }, "utilization is -0.1"),
        (RecordPoolMetrics { utilization: Some(100.1), ..told("a") }, "0 to 100"),
        (RecordPoolMetrics { utilization: Some(f64::INFINITY), ..told("a") }, "is inf"),
        (
            RecordPoolMetrics { pending_jobs: Some(3), queue_depth: Some(2), ..told("a") },
            "queue_depth, 2, is below pending_jobs, 3",
        ),
        (
            RecordPoolMetrics { pending_jobs: Some(3), ttl_ms: 60 * MINUTE_MS + 1, ..told("a") },
            "the limit is 3600000",
        ),
    ] {
        let rejection = fleet.rejection(Kind::RecordPoolMetrics(report));
        assert_eq!(rejection.code(), RejectionCode::Invalid, "{expected}");
        assert!(rejection.message.contains(expected), "{expected}: {}", rejection.message);
    }
    let unknown = RecordPoolMetrics { queue_depth: Some(1), ..told("c") };
    assert_eq!(fleet.reject(Kind::RecordPoolMetrics(unknown)), RejectionCode::NotFound);
}

/// Without it a system that fell silent would steer a pool for ever, or its records pile up.
#[test]
fn figures_expire_by_log_time() {
    let mut fleet = Fleet::configured();
    let drop_expired = || Kind::DropExpired(DropExpired {});
    fleet.accept(depth(70, 0));
    fleet.accept(utilization(50.0, MINUTE_MS));
    assert_eq!(fleet.state.next_drop().unwrap().as_ms(), fleet.now_ms + MINUTE_MS);
    fleet.advance(MINUTE_MS - 1);
    assert_eq!(fleet.accept(drop_expired()).count, 0);
    let now = fleet.state.log_time();
    assert!(fleet.state.pool_metrics("a").utilization.unwrap().holds_at(now));
    fleet.advance(1);
    assert_eq!(fleet.accept(drop_expired()).count, 1);
    let metrics = fleet.state.pool_metrics("a");
    assert!(metrics.utilization.is_none() && metrics.queue_depth.is_some());
    fleet.advance(4 * MINUTE_MS);
    assert!(!metrics.queue_depth.unwrap().holds_at(crate::LogTime::from_ms(fleet.now_ms)));
    assert_eq!(fleet.accept(drop_expired()).count, 1);
    assert_eq!(fleet.state.pool_metrics("a"), PoolMetrics::default());
    assert_eq!(fleet.state.next_drop(), None);
}

/// Without it a failover would hold every pool until its figures are reported again, and a pool that comes
/// back under an old name would be scaled by the figures of its predecessor.
#[test]
fn figures_outlive_the_replica_but_not_their_pool() {
    let mut fleet = Fleet::configured();
    fleet.accept(depth(70, 0));
    let mut snapshot = Vec::new();
    fleet.state.write_snapshot(&mut snapshot).unwrap();
    let restored = FleetState::read_snapshot(&mut snapshot.as_slice()).unwrap();
    assert_eq!(restored.pool_metrics("a"), fleet.state.pool_metrics("a"));
    fleet.accept(apply_spec(FleetSpec { pools: vec![pool_spec("b", 0, 2)], ..spec() }));
    fleet.accept(apply_spec(spec()));
    assert_eq!(fleet.state.pool_metrics("a"), PoolMetrics::default());
}
