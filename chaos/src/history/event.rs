use serde::{Deserialize, Serialize};

use super::{Operation, Value};

/// Whether a call begins, or how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// It begins.
    Invoke,
    /// It was answered.
    Ok,
    /// It was refused: it took no effect and never will.
    Fail,
    /// Nobody knows: it may have taken effect, or do so at any later time.
    Info,
}

/// A call begins or ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, microseconds since the run's start. For people; checkers go by the order of events.
    pub at_us: u64,
    /// Who calls. A client has one call at a time.
    pub client: u32,
    /// Which call; its two events bear the same number, and no other call does.
    pub call: u64,
    /// Whether it begins, or how it ends.
    pub kind: EventKind,
    /// What is asked.
    pub operation: Operation,
    /// What the answer carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The log index that the answer reflects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Why there is no answer; empty if there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}
