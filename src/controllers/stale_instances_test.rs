use super::*;
use crate::controllers::testing::{World, pool, words};

fn planned(world: &World) -> Vec<String> {
    let opened_ms = world.liveness.session_opened_ms();
    words(&plan(&world.fleet(), opened_ms, world.now_ms()))
}

const FAILED: &str = "fail i1 FAILURE_KIND_STALE";

/// Without it a machine whose agent never came up would be paid for and counted for ever.
#[tokio::test(flavor = "current_thread")]
async fn the_time_out_holds_to_the_second() {
    let world = World::new(vec![pool("a", 0, 5)]);
    world.advance(100).await;
    world.bought("i1", "a");
    world.running("i2", "a");
    world.order("i3", "a");
    world.advance(599).await;
    assert_eq!(planned(&world), [""; 0]);
    world.advance(1).await;
    assert_eq!(planned(&world), [FAILED], "neither the running one nor the unanswered order");
    let mut controller = StaleInstances::new(Arc::clone(&world.liveness));
    assert_eq!(world.reconcile(&mut controller).steps, 1);
    assert_eq!(planned(&world), [""; 0]);
}

/// Without it machines that could not register while there was no leader would be failed at once; with more
/// than one grace, a change of leader would move every deadline.
#[tokio::test(flavor = "current_thread")]
async fn a_new_session_waits_one_grace_period() {
    for (failover_s, stale_s) in [(300, 600), (580, 610), (700, 730)] {
        let mut world = World::new(vec![pool("a", 0, 5)]);
        world.bought("i1", "a");
        world.advance(failover_s).await;
        world.new_session();
        world.advance(stale_s - failover_s - 1).await;
        assert_eq!(planned(&world), [""; 0], "failover after {failover_s} s");
        world.advance(1).await;
        assert_eq!(planned(&world), [FAILED], "failover after {failover_s} s");
    }
}
