use allocation_counter::measure;
use futures::FutureExt as _;
use navarch_proto::fleet::PoolSpec;

use super::{
    ControllerParts, all,
    testing::{World, pool},
};
use crate::{notify::Observers, scaling::Autoscalers};

/// Allocations of one pass of each controller, over a fleet with so many pools that have nothing to do.
fn allocations(pools: u32) -> Vec<(&'static str, u64)> {
    let idle = |number: u32| PoolSpec { min_nodes: 0, ..pool(&format!("p{number:04}"), 0, 5) };
    let world = World::new((0..pools).map(idle).collect());
    let parts = ControllerParts {
        liveness: world.liveness.clone(),
        providers: world.providers.clone(),
        metrics: world.metrics.clone(),
        autoscalers: Autoscalers::default(),
        notifiers: world.notifiers.clone(),
        observers: Observers::default(),
    };
    let mut controllers = all(&parts);
    // What is decided of a new pool is decided once.
    for controller in &mut controllers {
        for _ in 0..3 {
            world.reconcile(&mut **controller);
        }
    }
    let pass = |controller: &mut Box<dyn crate::leader::Controller>| {
        let tenure = world.tenure(controller.name());
        let counted = measure(|| {
            let report = controller.reconcile(&tenure).now_or_never();
            assert!(report.is_some_and(|report| report.failed == 0), "{}", controller.name());
        });
        (controller.name(), counted.count_total)
    };
    controllers.iter_mut().map(pass).collect()
}

/// Without it a fleet of a thousand pools that rest would keep the leader's allocator busy for nothing.
#[tokio::test(flavor = "current_thread")]
async fn pools_at_rest_cost_no_allocations() {
    assert_eq!(allocations(3), allocations(900));
}
