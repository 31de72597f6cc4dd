use serde::{Deserialize, Serialize};

use crate::report::Spread;

/// How long a replica that lost its disk takes until it serves again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RejoinRecord {
    /// Nodes that the group knew.
    pub nodes: u64,
    /// The snapshot that it was sent, bytes; 0 if it was sent none.
    pub snapshot_bytes: u64,
    /// From the start of its process, with an empty disk, until it serves up-to-date answers.
    pub took: Spread,
}
