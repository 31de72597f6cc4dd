use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{FleetState, LogTime, Pool};
use navarch_proto::{
    api::{FleetEvent, HealthStatus},
    fleet::{PoolSpec, SetPoolTarget, proposal::Kind},
};

use crate::{
    leader::{Controller, Report, Tenure},
    liveness::{Liveness, UTILIZATION_UNKNOWN},
    scaling::{Decision, Gates, Limits, PoolView, plan_target},
};

const NAME: &str = "autoscaler";
/// Figures older than this many heartbeat intervals say nothing about now.
const FRESH_INTERVALS: u64 = 3;

/// Sets each pool's target to what its strategy asks for, within the pool's limits.
pub(super) struct Autoscaler {
    liveness: Arc<Liveness>,
}

impl Autoscaler {
    pub(super) fn new(liveness: Arc<Liveness>) -> Self {
        Self { liveness }
    }

    /// What a strategy may look at: figures of nodes that were heard lately, and no others.
    fn observe(&self, fleet: &FleetState, spec: &PoolSpec, pool: &Pool, now_ms: u64) -> PoolView {
        let fresh_ms = fleet.settings().heartbeat_interval_ms.saturating_mul(FRESH_INTERVALS);
        let mut healthy = 0;
        let mut utilizations = Vec::new();
        for node in fleet.nodes_in_pool(&spec.name) {
            let beat = self.liveness.of(node.number);
            let fresh = beat.seen_ms != 0 && now_ms.saturating_sub(beat.seen_ms) <= fresh_ms;
            if fresh && beat.utilization != UTILIZATION_UNKNOWN {
                utilizations.push(f64::from(beat.utilization));
            }
            if !node.is_lost() && node.health_status() != HealthStatus::Unhealthy {
                healthy += 1;
            }
        }
        let counts = fleet.pool_counts(&spec.name);
        let mean = utilizations.iter().sum::<f64>() / utilizations.len() as f64;
        PoolView {
            target: pool.target,
            size: counts.size(),
            healthy,
            booting: counts.provisioning + counts.pending_registration,
            replacing: counts.terminating + counts.failed_with_machine,
            limits: Limits { min: spec.min_nodes, max: spec.max_nodes },
            utilization: (!utilizations.is_empty()).then_some(mean),
            now_ms,
            ..PoolView::default()
        }
    }

    fn decide(&self, fleet: &FleetState, spec: &PoolSpec, now_ms: u64) -> Option<SetPoolTarget> {
        let pool = fleet.pool(&spec.name)?;
        let view = self.observe(fleet, spec, pool, now_ms);
        let gates = Gates {
            cooldown_until_ms: pool.cooldown_until.map_or(0, LogTime::as_ms),
            hold_until_ms: pool.hold_until.map_or(0, LogTime::as_ms),
        };
        let decision = plan_target(spec.autoscaling.as_ref(), &view, gates);
        proposal(pool, decision)
    }
}

/// A decision that changes nothing is not proposed: the journal holds changes, not opinions.
fn proposal(pool: &Pool, decision: Decision) -> Option<SetPoolTarget> {
    (decision.target != pool.target).then(|| SetPoolTarget {
        pool: pool.name.as_str().to_owned(),
        target: decision.target,
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

    fn period(&self, fleet: &FleetState) -> Duration {
        Duration::from_millis(fleet.settings().autoscale_interval_ms)
    }

    fn wakes_on(&self, event: &FleetEvent) -> bool {
        matches!(event.kind.as_str(), "pool-created" | "pool-changed")
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let fleet = tenure.view().fleet;
        let now_ms = tenure.now_ms();
        let specs = fleet.spec().map_or(&[][..], |spec| &spec.pools);
        for spec in specs {
            if let Some(target) = self.decide(&fleet, spec, now_ms) {
                let proposed = tenure.propose(NAME, Kind::SetPoolTarget(target)).await;
                report.count(proposed.map(drop));
            }
        }
        report
    }
}
