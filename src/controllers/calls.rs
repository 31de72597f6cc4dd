use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesUnordered,
};
use navarch_fleet::{FleetState, Instance, InstanceId, InstanceState, ProviderName};
use navarch_host::{Clock, Moment};

use super::pace::Paced;

/// Provider calls under way, one an instance. They outlive the pass that began them, and each provider has
/// its own share, so that one which hangs holds up nobody else; they die with their controller's session.
pub(super) struct Calls<T> {
    under_way: FuturesUnordered<BoxFuture<'static, (Arc<Instance>, T)>>,
    instances: BTreeSet<InstanceId>,
    per_provider: BTreeMap<ProviderName, usize>,
}

/// Instances that a provider should be asked about, by provider, the first first.
#[derive(Default)]
pub(super) struct Due(BTreeMap<ProviderName, VecDeque<Arc<Instance>>>);

impl<T: Send + 'static> Calls<T> {
    pub(super) fn new() -> Self {
        Self {
            under_way: FuturesUnordered::new(),
            instances: BTreeSet::new(),
            per_provider: BTreeMap::new(),
        }
    }

    /// Whether a call about the instance is under way.
    fn has(&self, instance: &Instance) -> bool {
        self.instances.contains(&instance.id)
    }

    /// The instances in `state` that `is_time` names and about which no call is under way.
    pub(super) fn due(
        &self,
        fleet: &FleetState,
        state: InstanceState,
        is_time: impl Fn(&Instance) -> bool,
    ) -> Due {
        let mut due = Due::default();
        for instance in fleet.instances_in_state(state) {
            if is_time(instance) && !self.has(instance) {
                due.push(instance);
            }
        }
        due
    }

    /// Begins what is due, as far as each provider's share allows.
    pub(super) fn begin<F>(
        &mut self,
        due: &mut Due,
        provider_of: impl Fn(&ProviderName) -> Result<Arc<Paced>, String>,
        call: impl Fn(Result<Arc<Paced>, String>, Arc<Instance>) -> F,
    ) where
        F: Future<Output = T> + Send + 'static,
    {
        for (name, instances) in &mut due.0 {
            let busy = self.per_provider.entry(name.clone()).or_default();
            let provider = provider_of(name);
            let at_once = provider.as_ref().map_or(1, |provider| provider.at_once);
            while *busy < at_once
                && let Some(instance) = instances.pop_front()
            {
                *busy += 1;
                self.instances.insert(instance.id.clone());
                let answer = call(provider.clone(), Arc::clone(&instance));
                let answer = answer.map(|answer| (instance, answer));
                self.under_way.push(answer.boxed());
            }
        }
    }

    /// The next answer; none if nothing is under way, or nothing was answered by `until`.
    pub(super) async fn next(
        &mut self,
        clock: &Clock,
        until: Moment,
    ) -> Option<(Arc<Instance>, T)> {
        let answered = clock.timeout_at(until, self.under_way.next()).await;
        let (instance, answer) = answered.ok().flatten()?;
        self.instances.remove(&instance.id);
        if let Some(busy) = self.per_provider.get_mut(&instance.provider) {
            *busy = busy.saturating_sub(1);
        }
        Some((instance, answer))
    }
}

impl Due {
    /// The same, of each provider the least by `key` first.
    pub(super) fn ordered_by<K: Ord>(mut self, key: impl Fn(&Instance) -> K) -> Self {
        for instances in self.0.values_mut() {
            instances.make_contiguous().sort_by_key(|instance| key(instance));
        }
        self
    }

    #[cfg(test)]
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.values().flatten().map(|instance| instance.id.as_str())
    }

    fn push(&mut self, instance: &Arc<Instance>) {
        let instances = self.0.entry(instance.provider.clone()).or_default();
        instances.push_back(Arc::clone(instance));
    }
}
