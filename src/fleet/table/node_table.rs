use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::Index;
use crate::{
    ids::{NodeId, NodeNumber, PoolName},
    model::{LastSeen, Node, Zone},
};

/// All nodes.
#[derive(Clone, Debug)]
pub(crate) struct NodeTable {
    by_id: OrdMap<NodeId, Arc<Node>>,
    by_number: OrdMap<NodeNumber, NodeId>,
    by_pool: Index<PoolName, NodeId>,
    /// How many nodes each zone has.
    zones: OrdMap<Zone, usize>,
    attention: OrdSet<NodeId>,
    last_seen: OrdMap<NodeNumber, LastSeen>,
    next_number: u32,
}

impl Default for NodeTable {
    fn default() -> Self {
        Self {
            by_id: OrdMap::new(),
            by_number: OrdMap::new(),
            by_pool: Index::default(),
            zones: OrdMap::new(),
            attention: OrdSet::new(),
            last_seen: OrdMap::new(),
            // 0 never names a node, so that a forgotten field is noticed.
            next_number: 1,
        }
    }
}

impl NodeTable {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Node>> {
        self.by_id.get(id)
    }

    pub(crate) fn by_number(&self, number: NodeNumber) -> Option<&NodeId> {
        self.by_number.get(&number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.by_id.iter().map(|(_, node)| node)
    }

    /// Those whose id is greater.
    pub(crate) fn after<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Arc<Node>> {
        let range = (std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded);
        self.by_id.range::<_, str>(range).map(|(_, node)| node)
    }

    pub(crate) fn in_pool<'a>(
        &'a self,
        pool: &str,
    ) -> impl Iterator<Item = &'a Arc<Node>> + use<'a> {
        self.by_pool.get(pool).filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn count_in_pool(&self, pool: &str) -> usize {
        self.by_pool.count(pool)
    }

    /// The names of the pools that nodes count towards.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &str> {
        self.by_pool.keys().map(PoolName::as_str)
    }

    /// How many nodes count towards no pool.
    pub(crate) fn without_pool(&self) -> usize {
        self.by_id.len().saturating_sub(self.by_pool.len())
    }

    pub(crate) fn zones(&self) -> impl Iterator<Item = (&Zone, usize)> {
        self.zones.iter().map(|(zone, count)| (zone, *count))
    }

    fn enter_zone(&mut self, zone: Zone) {
        *self.zones.entry(zone).or_insert(0) += 1;
    }

    fn leave_zone(&mut self, zone: &Zone) {
        let Some(count) = self.zones.get_mut(zone) else { return };
        *count -= 1;
        if *count == 0 {
            self.zones.remove(zone);
        }
    }

    pub(crate) fn wanting_attention(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.attention.iter().filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn next_number(&self) -> u32 {
        self.next_number
    }

    pub(crate) fn set_next_number(&mut self, next_number: u32) {
        self.next_number = next_number;
    }

    /// A number that no node ever had; none: all are used up.
    pub(crate) fn mint_number(&mut self) -> Option<NodeNumber> {
        let number = NodeNumber(self.next_number);
        self.next_number = self.next_number.checked_add(1)?;
        Some(number)
    }

    /// Adds a node whose id and number are not in use.
    pub(crate) fn insert(&mut self, node: Node) {
        self.by_number.insert(node.number, node.id.clone());
        if let Some(pool) = &node.pool {
            self.by_pool.insert(pool, node.id.clone());
        }
        self.enter_zone(node.zone_key());
        if node.wants_attention() {
            self.attention.insert(node.id.clone());
        }
        self.by_id.insert(node.id.clone(), Arc::new(node));
    }

    /// Changes a node and raises its revision. The change leaves id and number as they are.
    pub(crate) fn update(&mut self, id: &str, change: impl FnOnce(&mut Node)) {
        let Some(stored) = self.by_id.get_mut(id) else {
            return;
        };
        let pool_before = stored.pool.clone();
        let attention_before = stored.wants_attention();
        let zone_before = stored.zone_key();
        let node = Arc::make_mut(stored);
        change(node);
        node.revision = node.revision.next();
        if node.pool != pool_before {
            if let Some(pool) = &pool_before {
                self.by_pool.remove(pool, &node.id);
            }
            if let Some(pool) = &node.pool {
                self.by_pool.insert(pool, node.id.clone());
            }
        }
        let (zone, wants_attention) = (node.zone_key(), node.wants_attention());
        let id = node.id.clone();
        if zone != zone_before {
            self.leave_zone(&zone_before);
            self.enter_zone(zone);
        }
        match (attention_before, wants_attention) {
            (false, true) => {
                self.attention.insert(id);
            }
            (true, false) => {
                self.attention.remove(&id);
            }
            (false, false) | (true, true) => {}
        }
    }

    pub(crate) fn remove(&mut self, id: &str) {
        let Some(node) = self.by_id.remove(id) else {
            return;
        };
        self.by_number.remove(&node.number);
        self.last_seen.remove(&node.number);
        self.attention.remove(&node.id);
        self.leave_zone(&node.zone_key());
        if let Some(pool) = &node.pool {
            self.by_pool.remove(pool, &node.id);
        }
    }

    pub(crate) fn last_seen(&self, number: NodeNumber) -> Option<LastSeen> {
        self.last_seen.get(&number).copied()
    }

    pub(crate) fn all_last_seen(&self) -> impl Iterator<Item = (NodeNumber, LastSeen)> {
        self.last_seen.iter().map(|(number, seen)| (*number, *seen))
    }

    /// Takes a heartbeat in; an older one than is known changes nothing, and nor does a forgotten node's.
    pub(crate) fn see(&mut self, number: NodeNumber, seen: LastSeen) {
        if let Some(known) = self.last_seen.get_mut(&number) {
            if known.at <= seen.at {
                let utilization = seen.utilization.or(known.utilization);
                *known = LastSeen { utilization, ..seen };
            }
        } else if self.by_number.contains_key(&number) {
            self.last_seen.insert(number, seen);
        }
    }

    /// Whether every index says what a full scan says.
    #[cfg(test)]
    pub(crate) fn is_consistent(&self) -> bool {
        let mut rebuilt = Self { next_number: self.next_number, ..Self::default() };
        for node in self.iter() {
            rebuilt.insert((**node).clone());
        }
        rebuilt.by_number == self.by_number
            && rebuilt.by_pool == self.by_pool
            && rebuilt.zones == self.zones
            && rebuilt.attention == self.attention
            && self.last_seen.keys().all(|number| self.by_number.contains_key(number))
            && self.by_number.keys().all(|number| number.0 < self.next_number)
    }
}
