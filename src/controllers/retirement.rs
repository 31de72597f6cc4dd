use std::time::Duration;

use async_trait::async_trait;
use navarch_fleet::FleetState;
use navarch_proto::fleet::{RemovePool, RemoveProvider, proposal::Kind};

use super::{BUSY_PERIOD, IDLE_PERIOD};
use crate::leader::{Controller, Report, Tenure};

const NAME: &str = "retirement";

/// Drops pools and providers that no file has any more once the last of their machines is gone. `scale_down` drains
/// the machines and gives them back.
pub(super) struct Retirement;

fn plan(fleet: &FleetState) -> Vec<Kind> {
    let Some(spec) = fleet.spec() else { return Vec::new() };
    let empty = |pool: &str| fleet.pool_counts(pool).occupancy() == 0;
    let pools = spec.pools.iter().filter(|pool| pool.retiring && empty(&pool.name));
    let mut steps: Vec<Kind> =
        pools.map(|pool| Kind::RemovePool(RemovePool { pool: pool.name.clone() })).collect();
    let unused = |provider: &str| fleet.machines_at(provider) == 0;
    let providers = spec.providers.iter().filter(|one| one.retiring && unused(&one.name));
    steps.extend(
        providers.map(|provider| {
            Kind::RemoveProvider(RemoveProvider { provider: provider.name.clone() })
        }),
    );
    steps
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
        let steps = plan(&tenure.view().fleet);
        let _ = tenure.carry_out(steps, &mut report).await;
        report
    }
}

#[cfg(test)]
#[path = "retirement_test.rs"]
mod tests;
