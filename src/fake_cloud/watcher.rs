use std::fmt;

use super::ledger::Change;

/// Is told of every change of a fake cloud's machines, in order and before whoever asked for it.
pub trait Watcher: fmt::Debug + Send + Sync {
    /// A machine was bought, given back or taken away; the time in milliseconds since the Unix epoch.
    fn changed(&self, change: &Change, at_ms: u64);
}
