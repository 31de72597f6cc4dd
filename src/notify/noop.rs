use async_trait::async_trait;

use super::{DrainStatus, Notice, Notifier, NotifyError};

/// No workload system: nobody is told, and a node is drained as soon as that is wished.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noop;

#[async_trait]
impl Notifier for Noop {
    async fn cordon(&self, _: &Notice) -> Result<(), NotifyError> {
        Ok(())
    }

    async fn uncordon(&self, _: &Notice) -> Result<(), NotifyError> {
        Ok(())
    }

    async fn drain(&self, _: &Notice) -> Result<(), NotifyError> {
        Ok(())
    }

    async fn drain_status(&self, _: &str) -> Result<DrainStatus, NotifyError> {
        let message = "no workload system is configured: nothing to wait for".to_owned();
        Ok(DrainStatus { drained: true, message })
    }
}
