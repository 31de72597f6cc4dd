use std::sync::Arc;

use navarch::client::{Client, ClientOptions};
use navarch_host::{Clock, Network, Spawner, SystemNetwork, SystemSpawner};

use crate::error::ChaosError;

/// The time, the tasks and the network of a run.
#[derive(Clone)]
pub struct Host {
    /// Time.
    pub clock: Clock,
    /// Tasks.
    pub spawner: Arc<dyn Spawner>,
    /// How replicas are reached.
    pub network: Arc<dyn Network>,
}

impl Host {
    /// This machine's. Within a tokio runtime only.
    pub fn system() -> Self {
        Self {
            clock: Clock::system(),
            spawner: SystemSpawner::current(),
            network: SystemNetwork::shared(),
        }
    }

    /// A client of the replicas at `addresses`, each `host:port`.
    ///
    /// # Errors
    ///
    /// If an address is none.
    pub fn client(&self, addresses: &[String]) -> Result<Client, ChaosError> {
        let options = ClientOptions::new(self.clock.clone(), Arc::clone(&self.spawner));
        // A whole group may be away for a while in a run; the deadline of a call is its limit.
        let options = ClientOptions {
            unreachable_after: None,
            network: Arc::clone(&self.network),
            ..options
        };
        Ok(Client::new(addresses, options)?)
    }
}
