use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{Administrative, FleetState, InstanceState, LogTime, Node, Pool};
use navarch_proto::{
    api::HealthStatus,
    fleet::{PoolSpec, SetPoolTarget, proposal::Kind},
};

use super::replacer;
use crate::{
    leader::{Controller, Report, Tenure},
    liveness::{self, Liveness},
    scaling::{Decision, Gates, Limits, PoolView, plan_target},
};

const NAME: &str = "autoscaler";

/// Sets each pool's target to what its strategy asks for, within the pool's limits.
pub(super) struct Autoscaler {
    liveness: Arc<Liveness>,
}

/// What a pool's nodes tell.
#[derive(Default)]
struct Figures {
    healthy: u32,
    /// Machines that the replacer will see to.
    to_be_replaced: u32,
    utilization_sum: f64,
    utilization_count: u32,
}

impl Autoscaler {
    pub(super) fn new(liveness: Arc<Liveness>) -> Self {
        Self { liveness }
    }

    fn plan(&self, fleet: &FleetState, now_ms: u64) -> Vec<Kind> {
        let specs = fleet.spec().map_or(&[][..], |spec| &spec.pools);
        let decide = |spec| self.decide(fleet, spec, now_ms).map(Kind::SetPoolTarget);
        specs.iter().filter_map(decide).collect()
    }

    fn decide(&self, fleet: &FleetState, spec: &PoolSpec, now_ms: u64) -> Option<SetPoolTarget> {
        let pool = fleet.pool(&spec.name)?;
        let view = self.observe(fleet, spec, pool, now_ms);
        let gates = Gates {
            cooldown_until_ms: pool.cooldown_until.map_or(0, LogTime::as_ms),
            hold_until_ms: pool.hold_until.map_or(0, LogTime::as_ms),
        };
        let decision = plan_target(spec.autoscaling.as_ref(), &view, gates);
        proposal(pool, view.limits, decision)
    }

    fn observe(&self, fleet: &FleetState, spec: &PoolSpec, pool: &Pool, now_ms: u64) -> PoolView {
        let mut figures = Figures::default();
        for node in fleet.nodes_in_pool(&spec.name) {
            self.look(fleet, node, now_ms, &mut figures);
        }
        let counts = fleet.pool_counts(&spec.name);
        let Figures { utilization_sum, utilization_count, .. } = figures;
        let mean = utilization_sum / f64::from(utilization_count);
        PoolView {
            target: pool.target,
            size: counts.size(),
            healthy: figures.healthy,
            booting: counts.provisioning + counts.pending_registration,
            replacing: counts.terminating + counts.failed_with_machine + figures.to_be_replaced,
            limits: Limits { min: spec.min_nodes, max: spec.max_nodes },
            utilization: (utilization_count > 0).then_some(mean),
            now_ms,
            ..PoolView::default()
        }
    }

    /// Counts a node whose machine is the pool's and at work. A record that is kept of a machine which is gone
    /// is no capacity, and what was heard too long ago says nothing about now.
    fn look(&self, fleet: &FleetState, node: &Node, now_ms: u64, figures: &mut Figures) {
        let instance = node.instance_id.as_ref().and_then(|id| fleet.instance(id.as_str()));
        if instance.is_none_or(|instance| instance.state != InstanceState::Running) {
            return;
        }
        if replacer::case(fleet, node, now_ms).is_some() {
            figures.to_be_replaced += 1;
        }
        let in_service = match node.administrative {
            Administrative::Active | Administrative::Cordoned => true,
            Administrative::Draining(_) | Administrative::Terminated => false,
        };
        if in_service && !node.is_lost() && node.health_status() != HealthStatus::Unhealthy {
            figures.healthy += 1;
        }
        // The log's history as well, so that a new leader does not start blind.
        let Some(seen) = self.liveness.last_seen(fleet, node.number) else { return };
        let told_ms = self.liveness.of(node.number).told_interval_ms;
        let fresh_ms = liveness::timeout_ms(fleet.settings(), told_ms);
        if let Some(percent) = seen.utilization
            && seen.at.plus_ms(fresh_ms).as_ms() >= now_ms
        {
            figures.utilization_sum += f64::from(percent);
            figures.utilization_count += 1;
        }
    }
}

/// A decision that changes nothing is not proposed: the journal holds changes, not opinions. A schedule's
/// window may be wider than the pool, whose own limits hold in any case.
fn proposal(pool: &Pool, limits: Limits, decision: Decision) -> Option<SetPoolTarget> {
    let target = limits.clamp(decision.target);
    (target != pool.target).then(|| SetPoolTarget {
        pool: pool.name.as_str().to_owned(),
        target,
        start_cooldown: decision.starts_cooldown(),
        reason: decision.reason,
        pool_revision: pool.revision.0,
    })
}

#[async_trait]
impl Controller for Autoscaler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState, _: u64) -> Duration {
        Duration::from_millis(fleet.settings().autoscale_interval_ms)
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &["pool-created", "pool-changed"]
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let steps = self.plan(&tenure.view().fleet, tenure.now_ms());
        let _ = tenure.carry_out(steps, &mut report).await;
        report
    }
}

#[cfg(test)]
#[path = "autoscaler_test.rs"]
mod tests;
