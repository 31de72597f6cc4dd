use navarch_proto::api::{GpuInfo, GpuMetrics};

use super::{GpuError, GpuNews, GpuSource, XidWatch};

/// No GPUs.
#[derive(Clone, Debug, Default)]
pub struct NoGpus {
    reason: String,
}

impl NoGpus {
    /// None that can be seen, for this reason.
    pub fn because(reason: String) -> Self {
        Self { reason }
    }

    /// Why there are none; empty: none were looked for.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl GpuSource for NoGpus {
    fn name(&self) -> &'static str {
        "none"
    }

    fn may_block(&self) -> bool {
        false
    }

    fn describe(&self) -> Result<Vec<GpuInfo>, GpuError> {
        Ok(Vec::new())
    }

    fn sample(&self) -> Result<Vec<GpuMetrics>, GpuError> {
        Ok(Vec::new())
    }

    fn take_news(&self) -> GpuNews {
        GpuNews::default()
    }

    fn xid_watch(&self) -> XidWatch {
        XidWatch::NoGpus
    }
}
