use async_trait::async_trait;
use navarch_proto::api::FleetEvent;

use super::{error::SimError, snapshot::Snapshot, step::Step};

/// A control plane under trial, its clouds and its agents.
#[async_trait]
pub(super) trait Stage: Send {
    /// Lets the time pass until so many milliseconds after the start; at once if they have passed.
    async fn pass_until(&mut self, at_ms: u64) -> Result<(), SimError>;

    /// Carries a step out; what it came to, in one line.
    async fn perform(&mut self, step: &Step) -> Result<String, SimError>;

    /// What is seen now.
    async fn look(&mut self) -> Result<Snapshot, SimError>;

    /// The events after an index.
    async fn events_since(&mut self, index: u64) -> Result<Vec<FleetEvent>, SimError>;
}
