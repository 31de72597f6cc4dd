//! From bytes and to bytes: log entries and snapshots, versioned.
//!
//! | file | holds |
//! |---|---|
//! | `envelope` | a log entry's payload, checked |
//! | `record` | what a record on disk may not be |
//! | `node`, `health`, `instance`, `pool`, `node_command`, `breaker` | each record to and from its message |
//! | `snapshot` | the whole state as a sequence of items, and its hash |
//! | `restore` | the state back from the items |

mod breaker;
mod envelope;
mod health;
mod instance;
mod node;
mod node_command;
mod pool;
mod record;
mod restore;
mod snapshot;

pub use envelope::ENVELOPE_FORMAT;
pub(crate) use envelope::{CheckedEnvelope, check_envelope};
pub use record::SnapshotError;
pub use snapshot::SNAPSHOT_FORMAT;
