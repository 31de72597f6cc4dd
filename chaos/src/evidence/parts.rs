use serde::{Deserialize, Serialize};

/// What one watch of the journal told, through all its resumptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Who watched.
    pub watcher: String,
    /// It asked for what comes after this index.
    pub since: u64,
    /// How often it broke and went on.
    pub resumed: u64,
    /// The indices that it was told, in that order.
    pub indices: Vec<u64>,
}

/// A stretch of time, milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its first millisecond.
    pub from_ms: u64,
    /// Its last one.
    pub until_ms: u64,
}

impl Window {
    /// Whether `at_ms` lies in it.
    pub fn holds(&self, at_ms: u64) -> bool {
        (self.from_ms..=self.until_ms).contains(&at_ms)
    }
}

/// A node beat all the time, as its agent knows: every interval, and each beat was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beating {
    /// The node.
    pub node_id: String,
    /// The cloud's id of its machine; empty for a standalone node.
    pub machine: String,
    /// From when to when.
    pub window: Window,
}

/// Agents of a pool were cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOff {
    /// The pool.
    pub pool: String,
    /// Which part of it, percent.
    pub percent: u32,
    /// From the cut until the last consequence of it may be seen.
    pub window: Window,
    /// Machines that may be ordered in place of others meanwhile.
    pub most_replaced: u32,
}

/// What an agent noted of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The node.
    pub node_id: String,
    /// The command.
    pub command_id: String,
    /// How often it was delivered.
    pub deliveries: u32,
    /// How often it was executed.
    pub executions: u32,
}
