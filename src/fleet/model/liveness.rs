use std::sync::Arc;

use crate::time::LogTime;

/// Whether a node is heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Liveness {
    /// Within its time-out.
    #[default]
    Beating,
    /// Silent for longer.
    Lost(Loss),
}

/// The loss of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// When it was declared.
    pub at: LogTime,
    /// The last heartbeat before it; none: there never was one. A later one clears the loss.
    pub last_seen: Option<LogTime>,
    /// Why it was declared.
    pub reason: Arc<str>,
}

/// When a node was last heard from, as the last digest tells; kept apart from the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// When, by the leader's clock.
    pub at: LogTime,
    /// Mean GPU utilisation in percent, 0 to 100; none: not known.
    pub utilization: Option<u8>,
}
