use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Operation {
    /// Reads a register, linearizably.
    Read {
        /// Which register.
        key: String,
    },
    /// Sets a register.
    Write {
        /// Which register.
        key: String,
        /// To what.
        value: u64,
    },
    /// Sets a register if it has a certain value.
    CompareAndSet {
        /// Which register.
        key: String,
        /// What it must have.
        expected: u64,
        /// To what it is set then.
        value: u64,
    },
    /// Adds an element to a set, as a registration or an order does; to be done once, however often it is sent.
    Add {
        /// Which set.
        set: String,
        /// What is added; nobody else adds the same.
        element: String,
    },
    /// Lists all of a set.
    Scan {
        /// Which set.
        set: String,
        /// Whose: the replica that is asked.
        replica: String,
    },
    /// Reads a page of the journal.
    ReadJournal {
        /// Only events after this index.
        since: u64,
    },
}

/// What an answer carries beside that it is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// A register's value; none: there is no such register.
    Register(Option<u64>),
    /// Whether a compare-and-set found what it expected.
    Swapped(bool),
    /// Each element of a set, and how often it is there: once, if all is well.
    Elements(BTreeMap<String, u64>),
    /// Indices of a page of the journal.
    Journal(Vec<u64>),
}

impl Operation {
    /// The register that it is about.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Read { key } | Self::Write { key, .. } | Self::CompareAndSet { key, .. } => {
                Some(key)
            }
            Self::Add { .. } | Self::Scan { .. } | Self::ReadJournal { .. } => None,
        }
    }
}
