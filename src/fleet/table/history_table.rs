use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::{
    ids::NodeId,
    limits::{HISTORY_SLACK_MS, MAX_HISTORY, RETAIN_HISTORY_MS},
    model::{NodeHistory, RememberedEvent},
    time::LogTime,
};

/// The histories of the nodes that have one; a node that reports no events costs nothing here.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistoryTable {
    by_node: OrdMap<NodeId, Arc<NodeHistory>>,
    /// Nodes by their oldest event.
    by_oldest: OrdSet<(LogTime, NodeId)>,
    events: usize,
    displaced: u64,
}

impl HistoryTable {
    pub(crate) fn get(&self, node: &str) -> Option<&Arc<NodeHistory>> {
        self.by_node.get(node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Arc<NodeHistory>)> {
        self.by_node.iter()
    }

    /// Events of all nodes.
    pub(crate) fn events(&self) -> usize {
        self.events
    }

    /// Events that there was no room for, or no longer.
    pub(crate) fn displaced(&self) -> u64 {
        self.displaced
    }

    pub(crate) fn set_displaced(&mut self, displaced: u64) {
        self.displaced = displaced;
    }

    /// Adds what a node reported, in order. What it holds already, and what comes twice, counts once.
    pub(crate) fn remember(
        &mut self,
        node: &NodeId,
        revision: u64,
        reported: impl Iterator<Item = RememberedEvent>,
    ) {
        let mut history = self.take(node).unwrap_or_default();
        for event in reported {
            if history.knows(event.identity) {
                continue;
            }
            history.drop_expired(event.at);
            if self.events + history.events().len() >= MAX_HISTORY {
                // Whoever reports much makes room itself; others lose nothing.
                self.displaced += 1;
                if history.events().is_empty() {
                    continue;
                }
                history.drop_oldest();
            }
            self.displaced += u64::from(history.add(event));
            history.revision = revision;
        }
        self.put(node.clone(), history);
    }

    /// Puts a history in place that was read from a snapshot.
    pub(crate) fn put(&mut self, node: NodeId, history: NodeHistory) {
        let Some(oldest) = history.events().first() else { return };
        self.events += history.events().len();
        self.by_oldest.insert((oldest.at, node.clone()));
        self.by_node.insert(node, Arc::new(history));
    }

    pub(crate) fn remove(&mut self, node: &str) {
        if let Some((id, _)) = self.by_node.get_key_value(node) {
            let id = id.clone();
            self.take(&id);
        }
    }

    /// When something is to be dropped: an hour late, so that one look an hour is enough for all nodes.
    pub(crate) fn next_expiry(&self) -> Option<LogTime> {
        let (oldest, _) = self.by_oldest.get_min()?;
        Some(oldest.plus_ms(RETAIN_HISTORY_MS + HISTORY_SLACK_MS))
    }

    /// Forgets what no window reaches any more, of at most `limit` nodes; of how many.
    pub(crate) fn drop_expired(&mut self, now: LogTime, limit: usize) -> usize {
        if self.next_expiry().is_none_or(|at| at > now) {
            return 0;
        }
        let before = now.minus_ms(RETAIN_HISTORY_MS);
        let due: Vec<NodeId> = self
            .by_oldest
            .iter()
            .take_while(|(oldest, _)| *oldest < before)
            .take(limit)
            .map(|(_, node)| node.clone())
            .collect();
        for node in &due {
            if let Some(mut history) = self.take(node) {
                history.drop_expired(now);
                self.put(node.clone(), history);
            }
        }
        due.len()
    }

    fn take(&mut self, node: &NodeId) -> Option<NodeHistory> {
        let history = self.by_node.remove(node)?;
        if let Some(oldest) = history.events().first() {
            self.by_oldest.remove(&(oldest.at, node.clone()));
        }
        self.events -= history.events().len();
        Some(Arc::unwrap_or_clone(history))
    }

    /// Whether every index says what a full scan says.
    #[cfg(test)]
    pub(crate) fn is_consistent(&self) -> bool {
        let mut rebuilt = Self { displaced: self.displaced, ..Self::default() };
        for (node, history) in self.iter() {
            rebuilt.put(node.clone(), (**history).clone());
        }
        rebuilt.by_oldest == self.by_oldest
            && rebuilt.events == self.events
            && self.by_node.values().all(|history| history.events().is_sorted_by_key(|one| one.at))
    }
}
