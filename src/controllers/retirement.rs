use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use navarch_fleet::FleetState;
use navarch_proto::fleet::{RemovePool, RemoveProvider, Settings, proposal::Kind};

use super::{BUSY_PERIOD, IDLE_PERIOD};
use crate::leader::{Controller, Report, Tenure};

const NAME: &str = "retirement";

/// Drops pools and providers that no file has any more once the last of their machines is gone. `scale_down` drains
/// the machines and gives them back.
#[derive(Default)]
pub(super) struct Retirement {
    /// Since when no machine of a provider that goes is known, in milliseconds of LogTime; dies with the session.
    unused_ms: BTreeMap<String, u64>,
}

impl Retirement {
    fn plan(&mut self, fleet: &FleetState, now_ms: u64) -> Vec<Kind> {
        let Some(spec) = fleet.spec() else { return Vec::new() };
        let empty = |pool: &str| fleet.pool_counts(pool).occupancy() == 0;
        let pools = spec.pools.iter().filter(|pool| pool.retiring && empty(&pool.name));
        let mut steps: Vec<Kind> =
            pools.map(|pool| Kind::RemovePool(RemovePool { pool: pool.name.clone() })).collect();
        let unused = spec.providers.iter().filter(|one| one.retiring);
        let unused: Vec<_> = unused.filter(|one| fleet.machines_at(&one.name) == 0).collect();
        self.unused_ms.retain(|name, _| unused.iter().any(|one| one.name == *name));
        for provider in unused {
            let since_ms = *self.unused_ms.entry(provider.name.clone()).or_insert(now_ms);
            if since_ms.saturating_add(grace_ms(fleet.settings())) <= now_ms {
                let provider = provider.name.clone();
                steps.push(Kind::RemoveProvider(RemoveProvider { provider }));
            }
        }
        steps
    }
}

/// A machine that turns up late could not be given back once its provider is gone: it stays until the orphan sweep
/// would have found one.
fn grace_ms(settings: &Settings) -> u64 {
    settings.orphan_min_age_ms.saturating_add(settings.orphan_sweep_interval_ms.saturating_mul(2))
}

#[async_trait]
impl Controller for Retirement {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState, _: u64) -> Duration {
        let waits = fleet.spec().is_some_and(|spec| {
            spec.pools.iter().any(|pool| pool.retiring)
                || spec.providers.iter().any(|provider| provider.retiring)
        });
        if waits { BUSY_PERIOD } else { IDLE_PERIOD }
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &["pool-retiring", "provider-retiring", "instance-terminated", "instance-failed"]
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let steps = self.plan(&tenure.view().fleet, tenure.now_ms());
        let _ = tenure.carry_out(steps, &mut report).await;
        report
    }
}

#[cfg(test)]
#[path = "retirement_test.rs"]
mod tests;
