use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::join_all;
use navarch_fleet::{FleetState, InstanceState, LogTime, Pool, limits::MAX_REASON_BYTES};
use navarch_proto::fleet::{PoolSpec, SetPoolTarget, proposal::Kind};

use super::{provisioning_delay::provisioning_delay_ms, replacer};
use crate::{
    leader::{Controller, Report, Tenure},
    metrics_source::{Found, Question, Round, Sources, in_service},
    scaling::{Autoscalers, Cause, Decision, Gates, Limits, PoolView, to_inputs},
};

const NAME: &str = "autoscaler";

/// Sets each pool's target to what its autoscaler asks for, within the pool's limits.
pub(super) struct Autoscaler {
    metrics: Arc<Sources>,
    autoscalers: Autoscalers,
}

/// The figures of the pools that need any, by name.
type Gathered<'a> = BTreeMap<&'a str, Found>;

/// A pool's machines that run but are no capacity.
#[derive(Clone, Copy, Default)]
struct Ailing {
    /// Drained, lost or unhealthy.
    out_of_service: u32,
    /// Those that the replacer will see to.
    to_be_replaced: u32,
}

impl Autoscaler {
    pub(super) fn new(metrics: Arc<Sources>, autoscalers: Autoscalers) -> Self {
        Self { metrics, autoscalers }
    }

    /// Asks for what the strategies go by, for all pools at once, so that a source that is slow for one holds up
    /// the others but once.
    async fn gather<'a>(&self, fleet: &'a FleetState, now_ms: u64) -> Gathered<'a> {
        let questions = pools(fleet).filter_map(|pool| {
            let needs = self.autoscalers.needs(pool);
            (!needs.is_none()).then_some(Question { fleet, pool, needs, now_ms })
        });
        let questions: Vec<_> = questions.collect();
        let busy = questions.iter().filter(|question| question.needs.utilization);
        let busy: Vec<_> = busy.map(|question| question.pool).collect();
        self.metrics.prepare(Round { fleet, pools: &busy, now_ms });
        let asked = questions.into_iter().map(|question| async move {
            (question.pool.name.as_str(), self.metrics.ask(question).await)
        });
        join_all(asked).await.into_iter().collect()
    }
}

/// Those that stay.
fn pools(fleet: &FleetState) -> impl Iterator<Item = &PoolSpec> {
    let all = fleet.spec().map_or(&[][..], |spec| &spec.pools);
    all.iter().filter(|pool| !pool.retiring)
}

fn plan(
    fleet: &FleetState,
    gathered: &Gathered<'_>,
    autoscalers: &Autoscalers,
    now_ms: u64,
) -> Vec<Kind> {
    let ailing = ailing(fleet, now_ms);
    let decide = |spec: &PoolSpec| {
        let name = spec.name.as_str();
        let pool = fleet.pool(name).filter(|pool| !rests(spec, pool, autoscalers, now_ms))?;
        let found = gathered.get(name).cloned().unwrap_or_default();
        let ailing = ailing.get(name).copied().unwrap_or_default();
        let mut view = PoolView { now_ms, ..view(fleet, (spec, pool), found, ailing) };
        if autoscalers.needs(spec).history {
            view.provisioning_delay_ms = provisioning_delay_ms(fleet, name);
        }
        let gates = Gates {
            scale_up_after_ms: pool.cooldown.up.map_or(0, LogTime::as_ms),
            scale_down_after_ms: pool.cooldown.down.map_or(0, LogTime::as_ms),
            hold_until_ms: pool.hold_until.map_or(0, LogTime::as_ms),
        };
        let decision = autoscalers.plan(spec, &view, gates);
        let decided = proposal(pool, view.limits, decision).filter(|_| !pool.paused)?;
        let inputs = Some(to_inputs(&view, gates));
        Some(Kind::SetPoolTarget(SetPoolTarget { inputs, ..decided }))
    };
    pools(fleet).filter_map(decide).collect()
}

/// Whether nothing but limits decides, and they were found to hold: a pool that rests costs nothing.
fn rests(spec: &PoolSpec, pool: &Pool, autoscalers: &Autoscalers, now_ms: u64) -> bool {
    let limits = Limits { min: spec.min_nodes, max: spec.max_nodes };
    let last = pool.decision.as_ref().map(|last| last.cause.as_str());
    let held = pool.hold_until.is_some_and(|until| now_ms < until.as_ms());
    let holds = limits.clamp(pool.target) == pool.target;
    autoscalers.know_limits_alone(spec) && holds && !held && last == Some(Cause::Steady.as_str())
}

/// Whoever is not at work wants attention, so that a healthy fleet is never walked.
fn ailing(fleet: &FleetState, now_ms: u64) -> BTreeMap<&str, Ailing> {
    let mut pools: BTreeMap<&str, Ailing> = BTreeMap::new();
    for node in fleet.nodes_wanting_attention() {
        let instance = node.instance_id.as_ref().and_then(|id| fleet.instance(id.as_str()));
        // A record that is kept of a machine which is gone is no capacity that lacks.
        let Some(instance) = instance.filter(|one| one.state == InstanceState::Running) else {
            continue;
        };
        let ailing = pools.entry(instance.pool.as_str()).or_default();
        ailing.out_of_service += u32::from(!in_service(node));
        ailing.to_be_replaced += u32::from(replacer::case(fleet, node, now_ms).is_some());
    }
    pools
}

fn view(
    fleet: &FleetState,
    (spec, pool): (&PoolSpec, &Pool),
    found: Found,
    ailing: Ailing,
) -> PoolView {
    let counts = fleet.pool_counts(&spec.name);
    PoolView {
        target: pool.target,
        size: counts.size(),
        healthy: counts.running.saturating_sub(ailing.out_of_service),
        booting: counts.provisioning + counts.pending_registration,
        replacing: counts.terminating + counts.failed_with_machine + ailing.to_be_replaced,
        limits: Limits { min: spec.min_nodes, max: spec.max_nodes },
        utilization: found.utilization,
        history: found.history,
        pending_jobs: found.pending_jobs,
        queue_depth: found.queue_depth,
        origins: found.origins,
        ..PoolView::default()
    }
}

/// A decision is told when it changes the target, or is of another kind than the last one: the journal holds changes,
/// not opinions. A pool that holds for lack of figures says so once a reason. A schedule's window may be wider than
/// the pool, whose own limits hold in any case.
fn proposal(pool: &Pool, limits: Limits, decision: Decision) -> Option<SetPoolTarget> {
    let target = limits.clamp(decision.target);
    let starts_cooldown = decision.starts_cooldown();
    let mut reason = decision.reason;
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    let last = pool.decision.as_ref().map_or("", |last| last.cause.as_str());
    let cause = decision.cause.as_str();
    let tells = cause != last || (decision.cause == Cause::NoData && *pool.reason != *reason);
    (target != pool.target || tells).then(|| SetPoolTarget {
        pool: pool.name.as_str().to_owned(),
        target,
        start_cooldown: starts_cooldown,
        reason,
        pool_revision: pool.revision.0,
        cause: cause.to_owned(),
        inputs: None,
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
        let fleet = tenure.view().fleet;
        let now_ms = tenure.now_ms();
        let gathered = self.gather(&fleet, now_ms).await;
        let steps = plan(&fleet, &gathered, &self.autoscalers, now_ms);
        let _ = tenure.carry_out(steps, &mut report).await;
        report
    }
}

#[cfg(test)]
#[path = "autoscaler_test.rs"]
mod tests;
