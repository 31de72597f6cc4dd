use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use navarch_host::{Chance, Clock, Moment};
use navarch_proto::api::{FleetEvent, PoolInfo};

use super::{
    clouds::Clouds,
    configuration::Applied,
    operator::{Manner, Operator},
    options::LiveOptions,
};
use crate::{
    config::format_millis,
    sim::{
        error::SimError,
        scenario::{Configuration, Scenario},
        snapshot::{PoolLook, Snapshot},
        stage::Stage,
        step::Step,
    },
};

/// A group, the fake clouds that it buys from, and the agents of their machines.
pub(super) struct LiveScene<'a> {
    pub(super) operator: &'a Operator,
    pub(super) clouds: &'a Clouds,
    pub(super) clock: Clock,
    options: &'a LiveOptions,
    /// Draws which nodes a step applies to.
    pub(super) chance: Chance,
    applied: Applied,
    /// The newest event before the scenario.
    before: u64,
    start: Moment,
    now_ms: u64,
}

impl<'a> LiveScene<'a> {
    /// Gives the group the scenario's first configuration; the scenario's time begins when it has it.
    pub(super) async fn open(
        operator: &'a Operator,
        clouds: &'a Clouds,
        scenario: &Scenario,
        options: &'a LiveOptions,
    ) -> Result<Self, SimError> {
        let before = operator.last_index().await?;
        let applied = Applied::new(&scenario.config, clouds.urls());
        operator.apply(&applied, Manner::Plain).await?;
        let clock = options.client.clock.clone();
        Ok(Self {
            operator,
            clouds,
            options,
            chance: Chance::seeded(scenario.seed),
            applied,
            before,
            start: clock.now(),
            now_ms: 0,
            clock,
        })
    }

    /// The configuration that the group has now.
    pub(super) fn applied(&self) -> &Applied {
        &self.applied
    }

    /// Gives the group another one.
    pub(super) async fn apply(
        &mut self,
        config: &Configuration,
        force: bool,
    ) -> Result<(), SimError> {
        let applied = Applied::new(config, self.clouds.urls());
        let manner = if force { Manner::Force } else { Manner::Plain };
        self.operator.apply(&applied, manner).await?;
        self.applied = applied;
        Ok(())
    }

    fn pool_look(&self, pool: &PoolInfo, peaks: &BTreeMap<String, u32>) -> PoolLook {
        let busy = self.clouds.loads.of(&pool.name, self.clock.wall_ms());
        PoolLook {
            target: pool.target,
            size: pool.size,
            healthy: pool.healthy_nodes,
            utilization: (pool.healthy_nodes > 0).then_some(busy),
            peak: peaks.get(&pool.name).copied().unwrap_or(0),
        }
    }
}

#[async_trait]
impl Stage for LiveScene<'_> {
    async fn pass_until(&mut self, at_ms: u64) -> Result<(), SimError> {
        let due = self.start + Duration::from_millis(at_ms);
        tokio::select! {
            biased;
            () = self.options.stop.cancelled() => return Err(SimError::Stopped),
            () = self.clock.sleep_until(due) => {}
        }
        self.now_ms = at_ms;
        self.clouds.check()
    }

    async fn perform(&mut self, step: &Step) -> Result<String, SimError> {
        let done = self.act(step).await;
        let result = done.map_err(|reason| SimError::Step { step: step.to_string(), reason })?;
        let colon = if result.is_empty() { "" } else { ": " };
        self.options.tell(&format!("{}  {step}{colon}{result}", format_millis(self.now_ms)));
        Ok(result)
    }

    async fn look(&mut self) -> Result<Snapshot, SimError> {
        let pools = self.operator.pools().await?;
        let total = self.clouds.bills.total(self.clock.wall_ms());
        let look = |pool: &PoolInfo| (pool.name.clone(), self.pool_look(pool, &total.peaks));
        Ok(Snapshot {
            pools: pools.iter().map(look).collect(),
            machines: total.machines,
            bought: total.bought,
            spending: total.spending,
            bought_twice: total.bought_twice,
        })
    }

    async fn events_since(&mut self, index: u64) -> Result<Vec<FleetEvent>, SimError> {
        self.operator.events_since(index.max(self.before)).await
    }
}
