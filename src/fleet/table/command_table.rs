use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::Index;
use crate::{
    ids::{CommandId, NodeId},
    limits::MAX_FINISHED_COMMANDS,
    model::NodeCommand,
    time::LogTime,
};

/// All node commands.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandTable {
    by_id: OrdMap<CommandId, Arc<NodeCommand>>,
    /// Open ones of a node, in the order they were issued in.
    open: Index<NodeId, (u64, CommandId)>,
    /// Finished ones of a node, in the order they ended in.
    finished: Index<NodeId, (LogTime, u64, CommandId)>,
    /// Open ones by deadline.
    deadlines: OrdSet<(LogTime, CommandId)>,
    /// Finished ones by when they ended.
    ends: OrdSet<(LogTime, CommandId)>,
}

impl CommandTable {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<NodeCommand>> {
        self.by_id.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<NodeCommand>> {
        self.by_id.iter().map(|(_, command)| command)
    }

    /// A node's open commands, in order.
    pub(crate) fn open<'a>(
        &'a self,
        node: &str,
    ) -> impl Iterator<Item = &'a Arc<NodeCommand>> + use<'a> {
        self.open.get(node).filter_map(|(_, id)| self.by_id.get(id))
    }

    pub(crate) fn count_open(&self, node: &str) -> usize {
        self.open.count(node)
    }

    /// A node's finished commands, in the order they ended in.
    pub(crate) fn finished<'a>(
        &'a self,
        node: &str,
    ) -> impl Iterator<Item = &'a Arc<NodeCommand>> + use<'a> {
        self.finished.get(node).filter_map(|(_, _, id)| self.by_id.get(id))
    }

    /// Open ones, the nearest deadline first.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (LogTime, &CommandId)> {
        self.deadlines.iter().map(|(at, id)| (*at, id))
    }

    /// Finished ones, the longest finished first.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (LogTime, &CommandId)> {
        self.ends.iter().map(|(at, id)| (*at, id))
    }

    /// Adds a command whose id is not in use.
    pub(crate) fn insert(&mut self, command: NodeCommand) {
        self.index(&command);
        let node = command.node_id.clone();
        self.by_id.insert(command.id.clone(), Arc::new(command));
        self.bound_finished(&node);
    }

    /// Changes a command. The change leaves id, node and sequence as they are.
    pub(crate) fn update(&mut self, id: &str, change: impl FnOnce(&mut NodeCommand)) {
        let Some(stored) = self.by_id.get(id) else {
            return;
        };
        let before = stored.clone();
        let mut after = (*before).clone();
        change(&mut after);
        self.unindex(&before);
        self.index(&after);
        self.by_id.insert(after.id.clone(), Arc::new(after));
        self.bound_finished(&before.node_id);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(command) = self.by_id.remove(id) {
            self.unindex(&command);
        }
    }

    /// Removes all commands of a node.
    pub(crate) fn remove_node(&mut self, node: &str) {
        let ids: Vec<CommandId> =
            self.open(node).chain(self.finished(node)).map(|command| command.id.clone()).collect();
        for id in ids {
            self.remove(id.as_str());
        }
    }

    /// The oldest finished commands make room at once, so that no node's history can grow.
    fn bound_finished(&mut self, node: &NodeId) {
        while self.finished.count(node) > MAX_FINISHED_COMMANDS {
            let Some((_, _, oldest)) = self.finished.first(node).cloned() else {
                return;
            };
            self.remove(oldest.as_str());
        }
    }

    fn index(&mut self, command: &NodeCommand) {
        if let Some(at) = command.finished_at {
            let key = (at, command.sequence, command.id.clone());
            self.finished.insert(&command.node_id, key);
            self.ends.insert((at, command.id.clone()));
        } else {
            let key = (command.sequence, command.id.clone());
            self.open.insert(&command.node_id, key);
            self.deadlines.insert((command.deadline, command.id.clone()));
        }
    }

    fn unindex(&mut self, command: &NodeCommand) {
        if let Some(at) = command.finished_at {
            let key = (at, command.sequence, command.id.clone());
            self.finished.remove(&command.node_id, &key);
            self.ends.remove(&(at, command.id.clone()));
        } else {
            let key = (command.sequence, command.id.clone());
            self.open.remove(&command.node_id, &key);
            self.deadlines.remove(&(command.deadline, command.id.clone()));
        }
    }

    /// Whether every index says what a full scan says.
    #[cfg(test)]
    pub(crate) fn is_consistent(&self) -> bool {
        let mut rebuilt = Self::default();
        for command in self.iter() {
            if command.state.is_open() == command.finished_at.is_some() {
                return false;
            }
            rebuilt.insert((**command).clone());
        }
        rebuilt.open == self.open
            && rebuilt.finished == self.finished
            && rebuilt.deadlines == self.deadlines
            && rebuilt.ends == self.ends
    }
}
