use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::LedgerEntry;
use crate::provider::Machine;

/// A line of the file: an entry, and what it takes to do its effect again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What the ledger shows.
    #[serde(flatten)]
    pub entry: LedgerEntry,
    /// What has changed, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// What a line has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Change {
    /// A machine was bought.
    Bought {
        /// As it is when it runs.
        machine: Box<Machine>,
        /// What it was ordered with.
        body: Value,
    },
    /// A machine was given back, or taken away.
    Ended {
        /// The machine's id.
        id: String,
        /// Whether it left no trace.
        vanished: bool,
    },
    /// An order was accepted whose effect comes later.
    Delayed {
        /// Its idempotency key.
        key: String,
        /// What was ordered.
        body: String,
        /// When it takes effect, in milliseconds since the Unix epoch.
        due_ms: u64,
    },
    /// A delayed order was refused when it was tried.
    Dropped {
        /// Its idempotency key.
        key: String,
    },
    /// The agent of a live machine was switched.
    Agent {
        /// The machine's id.
        id: String,
        /// Whether it runs now.
        on: bool,
    },
}
