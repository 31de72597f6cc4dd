use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::Index;
use crate::{
    ids::{InstanceId, PoolName, ProviderName, ProviderRef},
    model::{Instance, InstanceState, PoolCounts},
    time::LogTime,
};

/// All instances.
#[derive(Clone, Debug, Default)]
pub(crate) struct InstanceTable {
    by_id: OrdMap<InstanceId, Arc<Instance>>,
    /// Provider's references repeat only where the machine of an earlier record is gone.
    by_ref: OrdMap<ProviderRef, OrdMap<ProviderName, OrdSet<InstanceId>>>,
    by_pool: Index<PoolName, InstanceId>,
    by_state: Index<InstanceState, InstanceId>,
    /// Finished ones, by when their last state began.
    finished: OrdSet<(LogTime, InstanceId)>,
    counts: OrdMap<PoolName, PoolCounts>,
    /// Records of each provider that may have a machine.
    occupying: OrdMap<ProviderName, u32>,
}

impl InstanceTable {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Instance>> {
        self.by_id.get(id)
    }

    /// The record of a provider's machine: the one that may still have it, else any that had it.
    pub(crate) fn by_ref(&self, provider: &str, provider_ref: &str) -> Option<&Arc<Instance>> {
        let ids = self.by_ref.get(provider_ref)?.get(provider)?;
        let mut last = None;
        for instance in ids.iter().filter_map(|id| self.by_id.get(id)) {
            if instance.may_have_machine() {
                return Some(instance);
            }
            last = Some(instance);
        }
        last
    }

    /// The record of a machine whose provider is not known: by its reference alone.
    pub(crate) fn by_any_ref(&self, provider_ref: &str) -> Option<&Arc<Instance>> {
        let providers = self.by_ref.get(provider_ref)?;
        providers.keys().find_map(|provider| self.by_ref(provider.as_str(), provider_ref))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.by_id.iter().map(|(_, instance)| instance)
    }

    /// Those whose id is greater.
    pub(crate) fn after<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Arc<Instance>> {
        let range = (std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded);
        self.by_id.range::<_, str>(range).map(|(_, instance)| instance)
    }

    pub(crate) fn in_pool<'a>(
        &'a self,
        pool: &str,
    ) -> impl DoubleEndedIterator<Item = &'a Arc<Instance>> + use<'a> {
        self.by_pool.get(pool).filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn in_state(&self, state: InstanceState) -> impl Iterator<Item = &Arc<Instance>> {
        self.by_state.get(&state).filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn count_in_state(&self, state: InstanceState) -> usize {
        self.by_state.count(&state)
    }

    pub(crate) fn counts(&self, pool: &str) -> PoolCounts {
        self.counts.get(pool).copied().unwrap_or_default()
    }

    /// How many of a provider's machines may be there.
    pub(crate) fn occupying(&self, provider: &str) -> u32 {
        self.occupying.get(provider).copied().unwrap_or_default()
    }

    /// Finished ones, the longest finished first.
    pub(crate) fn finished(&self) -> impl Iterator<Item = (LogTime, &InstanceId)> {
        self.finished.iter().map(|(at, id)| (*at, id))
    }

    /// Adds an instance whose id is not in use.
    pub(crate) fn insert(&mut self, instance: Instance) {
        self.index(&instance);
        self.by_pool.insert(&instance.pool, instance.id.clone());
        self.by_id.insert(instance.id.clone(), Arc::new(instance));
    }

    /// Changes an instance and raises its revision. The change leaves id, pool and provider as they are.
    pub(crate) fn update(&mut self, id: &str, change: impl FnOnce(&mut Instance)) {
        let Some(stored) = self.by_id.get(id) else {
            return;
        };
        let before = stored.clone();
        let mut after = (*before).clone();
        change(&mut after);
        after.revision = after.revision.next();
        self.unindex(&before);
        self.index(&after);
        self.by_id.insert(after.id.clone(), Arc::new(after));
    }

    pub(crate) fn remove(&mut self, id: &str) {
        let Some(instance) = self.by_id.remove(id) else {
            return;
        };
        self.unindex(&instance);
        self.by_pool.remove(&instance.pool, &instance.id);
    }

    fn index(&mut self, instance: &Instance) {
        let id = &instance.id;
        self.by_state.insert(&instance.state, id.clone());
        if let Some(provider_ref) = &instance.provider_ref {
            let providers = self.by_ref.entry(provider_ref.clone()).or_default();
            providers.entry(instance.provider.clone()).or_default().insert(id.clone());
        }
        if instance.is_finished() {
            self.finished.insert((instance.state_since, id.clone()));
        }
        self.counts.entry(instance.pool.clone()).or_default().add(instance);
        if instance.may_have_machine() {
            let occupying = self.occupying.entry(instance.provider.clone()).or_default();
            *occupying = occupying.saturating_add(1);
        }
    }

    fn unindex(&mut self, instance: &Instance) {
        let id = &instance.id;
        self.by_state.remove(&instance.state, id);
        self.unindex_ref(instance);
        if instance.is_finished() {
            self.finished.remove(&(instance.state_since, id.clone()));
        }
        if let Some(counts) = self.counts.get_mut(&instance.pool) {
            counts.subtract(instance);
            if counts.records() == 0 {
                self.counts.remove(&instance.pool);
            }
        }
        if instance.may_have_machine()
            && let Some(occupying) = self.occupying.get_mut(&instance.provider)
        {
            *occupying = occupying.saturating_sub(1);
            if *occupying == 0 {
                self.occupying.remove(&instance.provider);
            }
        }
    }

    fn unindex_ref(&mut self, instance: &Instance) {
        let Some(provider_ref) = &instance.provider_ref else {
            return;
        };
        let Some(providers) = self.by_ref.get_mut(provider_ref) else {
            return;
        };
        if let Some(ids) = providers.get_mut(&instance.provider) {
            ids.remove(&instance.id);
            if ids.is_empty() {
                providers.remove(&instance.provider);
            }
        }
        if providers.is_empty() {
            self.by_ref.remove(provider_ref);
        }
    }

    /// Whether every index says what a full scan says.
    #[cfg(test)]
    pub(crate) fn is_consistent(&self) -> bool {
        let mut rebuilt = Self::default();
        for instance in self.iter() {
            rebuilt.insert((**instance).clone());
        }
        rebuilt.by_ref == self.by_ref
            && rebuilt.by_pool == self.by_pool
            && rebuilt.by_state == self.by_state
            && rebuilt.finished == self.finished
            && rebuilt.counts == self.counts
            && rebuilt.occupying == self.occupying
    }
}
