use std::sync::Arc;

use navarch_host::{Clock, Spawner};
use tokio_util::sync::CancellationToken;

use super::{
    AgentConfig, AgentError, commands, gpu::GpuProbe, health, heartbeat, memory::CommandMemory,
    registration, shared::Shared,
};
use crate::client::Client;

/// The process on a node that speaks for it.
pub struct Agent {
    config: AgentConfig,
    client: Client,
    clock: Clock,
    spawner: Arc<dyn Spawner>,
}

impl Agent {
    /// An agent that calls the group through `client`; [`super::client_options`] has what it should be made of.
    pub fn new(
        config: AgentConfig,
        client: Client,
        clock: Clock,
        spawner: Arc<dyn Spawner>,
    ) -> Self {
        Self { config, client, clock, spawner }
    }

    /// Registers and serves until `stop` is cancelled or a terminate command is acknowledged; calls in flight
    /// then get at most 1.5 s.
    ///
    /// # Errors
    ///
    /// The configuration cannot be used, or the group refuses the node for good.
    pub async fn run(self, stop: CancellationToken) -> Result<(), AgentError> {
        if self.config.node_id.is_empty() {
            return Err(AgentError::NoNodeId);
        }
        let memory = CommandMemory::open(self.config.state_dir.as_deref())?;
        let gpus = Arc::clone(&self.config.gpus);
        let probe = GpuProbe::start(gpus, self.clock.clone(), &*self.spawner)
            .map_err(AgentError::Thread)?;
        // A terminate command ends this agent, not whatever else the caller's token ends.
        let stop = stop.child_token();
        let shared = Shared::new(self.config, self.client, self.clock, probe, stop);
        registration::first(&shared).await?;
        tokio::join!(
            registration::keep(&shared),
            heartbeat::run(&shared),
            health::run(&shared),
            commands::run(&shared, memory),
        );
        tracing::info!(node = shared.config.node_id, "agent stopped");
        Ok(())
    }
}
