use navarch_proto::api::{GpuInfo, GpuMetrics};
use thiserror::Error;

use super::GpuNews;

/// What the agent asks of the GPUs of its node.
pub trait GpuSource: Send + Sync + 'static {
    /// Name for messages: `nvml`, `fake`, `none`.
    fn name(&self) -> &'static str;

    /// Whether a call may block, for ever even when a driver hangs: then it is made on a thread of its own.
    fn may_block(&self) -> bool;

    /// The GPUs as they are registered, by index.
    ///
    /// # Errors
    ///
    /// The driver does not answer properly.
    fn describe(&self) -> Result<Vec<GpuInfo>, GpuError>;

    /// Figures of all GPUs now, by index.
    ///
    /// # Errors
    ///
    /// The driver does not answer properly.
    fn sample(&self) -> Result<Vec<GpuMetrics>, GpuError>;

    /// What there is to tell since the last call.
    fn take_news(&self) -> GpuNews;

    /// Whether XID errors would show among the events.
    fn xid_watch(&self) -> XidWatch;
}

/// Whether XID errors are seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XidWatch {
    /// There is no GPU that could have one.
    NoGpus,
    /// The driver tells them.
    Watching,
    /// They go unseen, and why.
    Blind(String),
}

/// The GPU driver does not answer properly.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct GpuError(pub String);
