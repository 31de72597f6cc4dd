use std::sync::Arc;

use crate::time::LogTime;

/// A GPU of a machine that was given up on as unhealthy: no machine may have it for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUpGpu {
    /// The machine's record, which is dropped before the GPU is forgotten; empty: an older build did not keep it.
    pub instance_id: Arc<str>,
    /// Why the machine was given up on; empty: not kept.
    pub reason: Arc<str>,
    /// When that was; none: not kept.
    pub at: Option<LogTime>,
    /// Until when it counts.
    pub until: LogTime,
}
