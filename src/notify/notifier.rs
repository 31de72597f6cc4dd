use async_trait::async_trait;

use super::NotifyError;

/// What the workload system is told about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which node.
    pub node_id: String,
    /// Why; may be empty.
    pub reason: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What the workload system says of a drain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainStatus {
    /// No work is left on the node.
    pub drained: bool,
    /// In its own words; may be empty.
    pub message: String,
}

/// The system that places work on nodes, as far as the control plane talks to it. Everything may be told more
/// than once.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Tells that a node takes no new work.
    ///
    /// # Errors
    ///
    /// If the notice was refused, or may not have been heard.
    async fn cordon(&self, notice: &Notice) -> Result<(), NotifyError>;

    /// Tells that a node takes work again; a drain under way is off.
    ///
    /// # Errors
    ///
    /// If the notice was refused, or may not have been heard.
    async fn uncordon(&self, notice: &Notice) -> Result<(), NotifyError>;

    /// Asks for the work to be taken off a node.
    ///
    /// # Errors
    ///
    /// If the drain was refused, or may not have been heard.
    async fn drain(&self, notice: &Notice) -> Result<(), NotifyError>;

    /// Asks how far a drain has come.
    ///
    /// # Errors
    ///
    /// If there was no usable answer.
    async fn drain_status(&self, node_id: &str) -> Result<DrainStatus, NotifyError>;
}
