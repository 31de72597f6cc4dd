//! What the breakers stop, and how they are shown.

use std::sync::Arc;

use navarch_proto::api::BreakerInfo;

use crate::{
    model::{Breaker, BreakerKey, BreakerScope, Instance, Node, Zone},
    state::FleetState,
    time::LogTime,
};

impl FleetState {
    /// A breaker's record; none: it is closed and always was.
    pub fn breaker(&self, key: &BreakerKey) -> Option<&Arc<Breaker>> {
        self.breakers.get(key)
    }

    /// All breakers that have a record.
    pub fn breakers(&self) -> impl Iterator<Item = (&BreakerKey, &Arc<Breaker>)> {
        self.breakers.iter()
    }

    /// Those that are open or overridden.
    pub fn breakers_to_show(&self, now: LogTime) -> impl Iterator<Item = BreakerInfo> {
        let shown = self
            .breakers
            .iter()
            .filter(move |(_, one)| one.is_open(now) || one.force(now).is_some());
        shown.map(move |(key, _)| self.breaker_info(key, now))
    }

    /// Every zone that a node is in, with the number of its nodes.
    pub fn zones(&self) -> impl Iterator<Item = (&Zone, usize)> {
        self.nodes.zones()
    }

    /// The open breaker that stops the loss and the replacement of a node: the widest one.
    pub fn stopped_by(&self, node: &Node, now: LogTime) -> Option<(BreakerKey, &Arc<Breaker>)> {
        if self.breakers.is_empty() {
            return None;
        }
        let pool = node.pool.as_ref().map_or("", |pool| pool.as_str());
        let keys =
            [BreakerKey::fleet(), BreakerKey::pool(pool), BreakerKey::zone(&node.zone_key())];
        self.first_open(keys, now)
    }

    /// The same for the replacement of a machine, whose node may not have registered.
    pub fn instance_stopped_by(
        &self,
        instance: &Instance,
        now: LogTime,
    ) -> Option<(BreakerKey, &Arc<Breaker>)> {
        if self.breakers.is_empty() {
            return None;
        }
        if let Some(node) = self.node_of_instance(instance.id.as_str()) {
            return self.stopped_by(node, now);
        }
        self.first_open([BreakerKey::fleet(), BreakerKey::pool(instance.pool.as_str())], now)
    }

    fn first_open<const N: usize>(
        &self,
        keys: [BreakerKey; N],
        now: LogTime,
    ) -> Option<(BreakerKey, &Arc<Breaker>)> {
        keys.into_iter().find_map(|key| {
            let breaker = self.breakers.get(&key).filter(|one| one.is_open(now))?;
            Some((key, breaker))
        })
    }

    /// Whether there is such a group: the fleet, a pool that is configured or that nodes name, a zone of nodes.
    pub fn has_breaker(&self, key: &BreakerKey) -> bool {
        self.breakers.contains_key(key) || self.group_size(key).is_some()
    }

    /// Every breaker that there could be: the fleet's, then those of pools, then those of zones.
    pub fn all_breakers(&self) -> Vec<BreakerKey> {
        let pools = self.pools.keys().map(|name| BreakerKey::pool(name.as_str()));
        let strays = self.nodes.pools().map(BreakerKey::pool);
        let zones = self.nodes.zones().map(|(zone, _)| BreakerKey::zone(zone));
        let recorded = self.breakers.keys().cloned();
        let all = [BreakerKey::fleet()].into_iter().chain(pools).chain(strays).chain(zones);
        let mut all: Vec<_> = all.chain(recorded).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The registered nodes of a group; none: there is no such group.
    fn group_size(&self, key: &BreakerKey) -> Option<usize> {
        match key.scope {
            BreakerScope::Fleet => key.name.is_empty().then(|| self.nodes.len()),
            BreakerScope::Pool if key.name.is_empty() => Some(self.nodes.without_pool()),
            BreakerScope::Pool => {
                let size = self.nodes.count_in_pool(&key.name);
                (size > 0 || self.pools.contains_key(&*key.name)).then_some(size)
            }
            BreakerScope::Zone => {
                let mut zones = self.nodes.zones();
                zones.find(|(zone, _)| zone.to_string() == *key.name).map(|(_, size)| size)
            }
        }
    }

    /// A breaker as clients see it.
    pub fn breaker_info(&self, key: &BreakerKey, now: LogTime) -> BreakerInfo {
        let none = Breaker::default();
        let breaker = self.breakers.get(key).map_or(&none, |breaker| breaker);
        let (opening, forced) = (breaker.opening.as_ref(), breaker.force(now));
        let counts = opening.map(|opening| opening.counts).unwrap_or_default();
        let calm_since = opening.and_then(|opening| opening.calm_since);
        let window_ms = self.settings.breaker_window_ms;
        BreakerInfo {
            scope: key.scope.as_str().to_owned(),
            name: key.name.to_string(),
            open: breaker.is_open(now),
            open_since: breaker.open_since(now).map(LogTime::to_timestamp),
            reason: opening.map(|opening| opening.reason.to_string()).unwrap_or_default(),
            lost: counts.lost,
            silent: counts.silent,
            unhealthy: counts.unhealthy,
            size: counts.size,
            calm_since: calm_since.map(LogTime::to_timestamp),
            closes_at: calm_since.map(|at| at.plus_ms(window_ms).to_timestamp()),
            r#override: forced.map_or("", word_of).to_owned(),
            override_since: forced.map(|forced| forced.at.to_timestamp()),
            override_until: forced.map(|forced| forced.until.to_timestamp()),
            override_reason: forced.map(|forced| forced.reason.to_string()).unwrap_or_default(),
            override_by: forced.map(|forced| forced.actor.to_string()).unwrap_or_default(),
            nodes: u32::try_from(self.group_size(key).unwrap_or(0)).unwrap_or(u32::MAX),
        }
    }
}

fn word_of(forced: &crate::model::BreakerOverride) -> &'static str {
    if forced.open { "open" } else { "closed" }
}
