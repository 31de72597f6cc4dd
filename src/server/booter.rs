use std::sync::Arc;

use navarch_host::{Clock, Spawner};
use tokio_util::sync::CancellationToken;

use super::tokens;
use crate::{
    config::ReplicaConfig,
    fake_cloud::agents::{AgentOptions, SimulatedAgents},
    provider::fake::{AgentBooter, NoAgents},
};

/// Boots simulated agents that call this very replica, for machines of the `fake` provider.
pub(super) fn booter(
    own: &ReplicaConfig,
    clock: &Clock,
    spawner: &Arc<dyn Spawner>,
    stop: &CancellationToken,
) -> Arc<dyn AgentBooter> {
    let local = match own.address.rsplit_once(':') {
        Some(("" | "0.0.0.0" | "[::]", port)) => format!("127.0.0.1:{port}"),
        _ => own.address.clone(),
    };
    let scheme = if own.public_tls.is_some() { "https" } else { "http" };
    let mut options = AgentOptions::new(vec![format!("{scheme}://{local}")]);
    // They call the process that they are in, under an address that its certificate need not name.
    options.insecure = true;
    options.token = tokens().agent.or_else(|| tokens().operator);
    let (clock, spawner) = (clock.clone(), Arc::clone(spawner));
    match SimulatedAgents::start(options, Arc::default(), clock, spawner, stop.clone()) {
        Ok(agents) => Arc::new(agents),
        Err(error) => {
            tracing::error!(%error, "the fake provider's machines run without agents");
            Arc::new(NoAgents)
        }
    }
}
