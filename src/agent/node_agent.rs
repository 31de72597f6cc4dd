use std::sync::Arc;

use navarch_host::{Clock, Spawner};
use tokio_util::sync::CancellationToken;

use super::{
    AgentConfig, AgentError, collector, commands,
    gpu::{GpuMap, GpuProbe},
    health, heartbeat,
    kernel_log::{KernelLog, LogOptions},
    memory::CommandMemory,
    outbox::Outbox,
    registration,
    shared::{Parts, Shared},
    state_dir::StateDir,
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
    /// The configuration cannot be used, the group refuses the node for good, or the agent cannot keep health events any
    /// more.
    pub async fn run(self, stop: CancellationToken) -> Result<(), AgentError> {
        if self.config.node_id.is_empty() {
            return Err(AgentError::NoNodeId);
        }
        let claim = match &self.config.state_dir {
            Some(path) => Some(StateDir::claim(path, &self.clock).await?),
            None => None,
        };
        let memory = CommandMemory::open(claim.as_deref().map(StateDir::path))?;
        // A terminate command ends this agent, not whatever else the caller's token ends.
        let stop = stop.child_token();
        let shared = self.shared(claim, stop)?;
        let serving = async {
            let served = serve(&shared, memory).await;
            // What collects ends with the others, also where they never began.
            shared.stop.cancel();
            served
        };
        let ((), served) = tokio::join!(collector::run(&shared), serving);
        served?;
        if let Some(error) = shared.take_failure() {
            return Err(error);
        }
        tracing::info!(node = shared.config.node_id, "agent stopped");
        Ok(())
    }

    /// What the loops have in common, with the threads beside them started.
    fn shared(
        self,
        claim: Option<Arc<StateDir>>,
        stop: CancellationToken,
    ) -> Result<Shared, AgentError> {
        let Self { config, client, clock, spawner } = self;
        let source = Arc::clone(&config.gpus);
        let probe =
            GpuProbe::start(source, clock.clone(), &*spawner).map_err(AgentError::Thread)?;
        let gpus = Arc::new(GpuMap::default());
        let outbox = Arc::new(Outbox::open(claim, config.outbox, &clock, &*spawner)?);
        let kernel_log = match config.kernel_log.clone() {
            None => KernelLog::off(),
            Some(path) => {
                let (gpus, outbox) = (Arc::clone(&gpus), Arc::clone(&outbox));
                let proc_dir = config.proc_dir.clone();
                let options = LogOptions { path, proc_dir, gpus, outbox };
                KernelLog::follow(options, &clock, &*spawner)?
            }
        };
        let parts = Parts { config, client, clock, probe, gpus, outbox, kernel_log, stop };
        Ok(Shared::new(parts))
    }
}

/// Registers and runs the loops until they end.
async fn serve(shared: &Shared, memory: CommandMemory) -> Result<(), AgentError> {
    registration::first(shared).await?;
    tokio::join!(
        registration::keep(shared),
        heartbeat::run(shared),
        health::run(shared),
        commands::run(shared, memory),
    );
    Ok(())
}
