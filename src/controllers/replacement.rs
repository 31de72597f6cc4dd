use std::sync::Arc;

use navarch_fleet::{
    Administrative, BreakerKey, Drain, FleetState, Instance, InstanceState, LogTime, Node,
};
use navarch_proto::fleet::{
    HoldReplacement, KeepInstance, PoolSpec, RequestInstance, proposal::Kind,
};

use super::{
    replacer::{Case, case, retire},
    shares::FEW,
    shortage::{Market, PAUSED, Turn, as_noted, surplus},
    stops::Stops,
};

/// Of a pool's target, what may be out of service for replacement at once, percent, at least one machine.
const AT_ONCE_PERCENT: u32 = 20;
/// Of a pool's target, what may be replaced an hour, percent, at least one machine.
const PER_HOUR_PERCENT: u32 = 10;
const HOUR_MS: u64 = 3_600_000;

/// One look at all pools: what is replaced now, and why what should be is not.
pub(super) struct Round<'a, 's, N> {
    pub(super) market: &'a Market<'a>,
    pub(super) stops: &'a Stops<'s>,
    pub(super) now_ms: u64,
    /// Mints the ids of orders.
    pub(super) new_id: N,
    pub(super) steps: Vec<Kind>,
}

/// What a pool may still begin.
struct Budget {
    at_once: usize,
    /// The same for lost machines, which are out of service already: drains of others do not hold them up.
    lost_at_once: usize,
    per_hour: usize,
    /// Machines that the maximum leaves room for.
    room: u32,
}

/// How far a case has come.
enum Stage<'a> {
    /// Nothing was done.
    Fresh,
    /// Another machine is on its way in its place.
    Ordered(&'a Instance),
    /// It was drained for it, without a replacement that runs, because there was no room for one.
    Leaving,
}

impl<N: FnMut() -> String> Round<'_, '_, N> {
    /// Plans for one pool, whose machines that should be replaced are `cases`.
    pub(super) fn pool(&mut self, spec: &PoolSpec, mut cases: Vec<Case<'_>>) {
        let fleet = self.market.fleet;
        let counts = fleet.pool_counts(&spec.name);
        if counts.being_replaced > 0 {
            self.steps.extend(recovered(fleet, spec, self.now_ms));
        }
        cases.sort_by_key(Case::urgency);
        let stages: Vec<_> = cases.iter().map(|case| stage(fleet, case)).collect();
        let (mut fresh, mut stopped) = (Vec::new(), None);
        for (case, stage) in cases.iter().zip(&stages) {
            let step = match stage {
                Stage::Fresh => {
                    match self.stops.recorded(case.node) {
                        Some(reason) => stopped = stopped.or(Some(reason)),
                        None => fresh.push(case),
                    }
                    None
                }
                Stage::Leaving => retire(case, self.now_ms),
                Stage::Ordered(new) if new.state == InstanceState::Running => {
                    retire(case, self.now_ms)
                }
                Stage::Ordered(_) => None,
            };
            // What has begun waits, too: the machine may be well.
            match step.is_some().then(|| self.stops.reason(case.node)).flatten() {
                Some(reason) => stopped = stopped.or(Some(reason)),
                None => self.steps.extend(step),
            }
        }
        let begun = cases.iter().zip(&stages).filter(|(_, stage)| !matches!(stage, Stage::Fresh));
        let lost = begun.clone().filter(|(case, _)| case.is_lost()).count();
        let budget = budget(fleet, spec, (begun.count(), lost), self.now_ms);
        let held = self.begin(spec, &fresh, budget);
        self.hold(spec, stopped.unwrap_or(held));
    }

    /// Begins what the budgets allow; answers why the rest has to wait, or nothing.
    fn begin(&mut self, spec: &PoolSpec, fresh: &[&Case<'_>], mut budget: Budget) -> String {
        if fresh.is_empty() {
            return String::new();
        }
        if self.market.fleet.pool(&spec.name).is_some_and(|pool| pool.paused) {
            return PAUSED.to_owned();
        }
        if let Some(mass) = mass(self.market.fleet, spec, LogTime::from_ms(self.now_ms)) {
            return mass;
        }
        let mut turn = Turn::first(self.market.fleet, spec, self.market.now);
        let mut stopped = String::new();
        let mut surplus = surplus(self.market.fleet, spec);
        for case in fresh {
            if surplus > 0 {
                // It is given back, or another is. One that was ordered for it would be given back first, and ordered again.
                surplus -= 1;
                stopped =
                    "the pool is above its target: what it has too many of goes first".to_owned();
                continue;
            }
            let at_once =
                if case.is_lost() { &mut budget.lost_at_once } else { &mut budget.at_once };
            if *at_once == 0 {
                return "as many machines as may be at once are out of service".to_owned();
            }
            if budget.per_hour == 0 {
                return "as many machines as may be in an hour were replaced".to_owned();
            }
            if let Some(reason) = self.stops.reason(case.node) {
                stopped = reason;
                continue;
            }
            if budget.room > 0 {
                let id = (self.new_id)();
                match self.market.order(spec, &id, &mut turn) {
                    Ok(order) => self.steps.push(in_place_of(case, order)),
                    Err(reason) => return reason,
                }
                budget.room -= 1;
            } else {
                self.steps.extend(retire(case, self.now_ms));
            }
            budget.at_once = budget.at_once.saturating_sub(1);
            budget.lost_at_once = budget.lost_at_once.saturating_sub(1);
            budget.per_hour -= 1;
        }
        stopped
    }

    /// Notes why machines of a pool are not replaced, once a reason, and that they are again.
    fn hold(&mut self, spec: &PoolSpec, reason: String) {
        let reason = as_noted(reason);
        let noted = self.market.fleet.pool(&spec.name).map(|pool| &pool.replacement_held);
        if noted.is_some_and(|noted| **noted != *reason) {
            let pool = spec.name.clone();
            self.steps.push(Kind::HoldReplacement(HoldReplacement { pool, reason }));
        }
    }
}

fn stage<'a>(fleet: &'a FleetState, case: &Case<'a>) -> Stage<'a> {
    if let Some(new) = case.instance.replaced_by.as_ref().and_then(|id| fleet.instance(id.as_str()))
    {
        return Stage::Ordered(new);
    }
    match case.node.administrative {
        Administrative::Draining(Drain { for_verdict: true, .. }) | Administrative::Terminated => {
            Stage::Leaving
        }
        // An operator's own drain begins nothing: budgets and a pause hold for it as for any other.
        Administrative::Draining(_) | Administrative::Active | Administrative::Cordoned => {
            Stage::Fresh
        }
    }
}

fn budget(
    fleet: &FleetState,
    spec: &PoolSpec,
    (begun, begun_lost): (usize, usize),
    now_ms: u64,
) -> Budget {
    let counts = fleet.pool_counts(&spec.name);
    let pool = fleet.pool(&spec.name);
    let target = pool.map_or(0, |pool| pool.target);
    let part = |percent: u32, default| {
        let percent = if percent == 0 { default } else { percent };
        (u64::from(target) * u64::from(percent) / 100).max(1)
    };
    // A machine that is gone before its successor runs is counted once, whatever of the two is seen.
    let booting = counts.provisioning + counts.pending_registration;
    let short = target.saturating_sub(counts.size());
    let on_the_way = (booting + short).saturating_sub(counts.being_replaced);
    let going = counts.terminating + counts.failed_with_machine;
    let out = on_the_way.max(going) as usize;
    let an_hour_ago = |at: &&LogTime| at.plus_ms(HOUR_MS).as_ms() > now_ms;
    let replaced = pool.map_or(0, |pool| pool.replaced_at.iter().filter(an_hour_ago).count());
    let left =
        |limit: u64, used: usize| usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(used);
    let at_once = part(spec.replace_at_once_percent, AT_ONCE_PERCENT);
    Budget {
        at_once: left(at_once, out + begun),
        lost_at_once: left(at_once, out + begun_lost),
        per_hour: left(part(spec.replace_per_hour_percent, PER_HOUR_PERCENT), replaced + begun),
        room: spec.max_nodes.saturating_sub(counts.occupancy()),
    }
}

/// Why so much of a pool is unhealthy, since whenever, that a person has to look first: one crashed job, or one bad rule,
/// can make a whole pool unhealthy, and that a new machine would not mend. Whoever forced the breaker of the pool or of
/// the fleet closed has looked.
fn mass(fleet: &FleetState, spec: &PoolSpec, now: LogTime) -> Option<String> {
    let breakers = [BreakerKey::pool(&spec.name), BreakerKey::fleet()];
    if breakers.iter().filter_map(|key| fleet.breaker(key)).any(|one| one.is_forced_closed(now)) {
        return None;
    }
    let unhealthy = |node: &&Arc<Node>| {
        let of_pool = node.pool.as_ref().is_some_and(|pool| pool.as_str() == spec.name);
        of_pool && node.stands_unhealthy()
    };
    let count = fleet.nodes_wanting_attention().filter(unhealthy).count();
    if count <= FEW {
        return None;
    }
    let all = fleet.nodes_in_pool(&spec.name).filter(|node| !node.is_gone()).count();
    let percent = fleet.settings().breaker_open_percent as usize;
    (count * 100 > all * percent).then(|| {
        format!(
            "more than {percent} % of the pool's nodes are unhealthy, which a new machine would \
             hardly mend: look, and uncordon the nodes that are well"
        )
    })
}

/// Machines whose replacement is ordered, and whose node is well again.
fn recovered(fleet: &FleetState, spec: &PoolSpec, now_ms: u64) -> Vec<Kind> {
    let well = |instance: &&Arc<Instance>| {
        let node = fleet.node_of_instance(instance.id.as_str());
        instance.is_being_replaced() && node.is_none_or(|node| case(fleet, node, now_ms).is_none())
    };
    let keep = |instance: &Arc<Instance>| {
        Kind::KeepInstance(KeepInstance {
            instance_id: instance.id.as_str().to_owned(),
            reason: "its node is well again".to_owned(),
            instance_revision: instance.revision.0,
        })
    };
    fleet.instances_in_pool(&spec.name).filter(well).map(keep).collect()
}

fn in_place_of(case: &Case<'_>, order: RequestInstance) -> Kind {
    Kind::RequestInstance(RequestInstance {
        replaces: case.instance.id.as_str().to_owned(),
        reason: format!("takes the place of {}: {}", case.instance.id, case.reason),
        ..order
    })
}
