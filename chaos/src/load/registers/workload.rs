use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use navarch::client::{CallOptions, Client, rpc::PausePool};
use navarch_host::TaskHandle;
use navarch_proto::api;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use super::{client::RegisterClient, fleet::RegisterFleet};
use crate::{
    error::ChaosError,
    history::{Recorder, Stopwatch},
    host::Host,
    load::Scribe,
    proc::Group,
};

/// Limit of the calls that prepare the pools.
const LIMIT: Duration = Duration::from_secs(25);

/// How the registers are used.
#[derive(Clone, Copy, Debug)]
pub struct RegistersOptions {
    /// Clients of each register. Few: the search for an order grows with the calls that overlap.
    pub clients: usize,
    /// Between two calls of a client.
    pub pause: Duration,
    /// The number of the first client in the history; no other client may have one from there on.
    pub first_client: u32,
}

impl Default for RegistersOptions {
    /// Some 100 calls a second of five registers.
    fn default() -> Self {
        Self { clients: 3, pause: Duration::from_millis(100), first_client: 1_000 }
    }
}

/// Through whom the registers are set and read.
#[derive(Clone)]
pub struct RegisterClients {
    /// A client of all replicas, for writes.
    pub all: Client,
    /// One of each replica alone, for reads.
    pub each: Vec<Client>,
}

/// All clients of all registers.
pub struct Registers {
    stop: CancellationToken,
    tasks: Vec<TaskHandle>,
}

impl RegisterClients {
    /// Of a group of processes.
    ///
    /// # Errors
    ///
    /// Never for a group of ours.
    pub fn of(group: &Group) -> Result<Self, ChaosError> {
        let each = (0..group.len()).map(|index| group.client_of(index)).collect();
        Ok(Self { all: group.client()?, each })
    }
}

impl Registers {
    /// Freezes the pools of `fleet`, with which the group must have been started, and starts the clients.
    ///
    /// # Errors
    ///
    /// If a pool cannot be frozen.
    pub async fn start(
        host: &Host,
        clients: &RegisterClients,
        fleet: &RegisterFleet,
        (recorder, stopwatch): (&Recorder, &Stopwatch),
        options: RegistersOptions,
    ) -> Result<Self, ChaosError> {
        let (stop, mut tasks) = (CancellationToken::new(), Vec::new());
        let mut client = options.first_client;
        for register in fleet.registers() {
            let request = api::PausePoolRequest {
                name: register.pool(),
                paused: true,
                reason: "its target is a register".to_owned(),
            };
            let paused = clients.all.call::<PausePool>(request, &CallOptions::within(LIMIT)).await;
            paused.map_err(ChaosError::call("freeze the pool of a register"))?;
            let (writes, calls) = (Arc::<AtomicU64>::default(), Arc::<RwLock<()>>::default());
            for number in 0..options.clients {
                let one = RegisterClient {
                    host: host.clone(),
                    clients: clients.clone(),
                    fleet: fleet.clone(),
                    register,
                    scribe: Scribe::new(recorder.clone(), stopwatch.clone(), client),
                    writes: Arc::clone(&writes),
                    calls: Arc::clone(&calls),
                    number,
                    pause: options.pause,
                };
                client += 1;
                tasks.push(host.spawner.spawn("register", one.run(stop.clone())));
            }
        }
        Ok(Self { stop, tasks })
    }

    /// Lets every client finish its call.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for task in std::mem::take(&mut self.tasks) {
            task.join().await;
        }
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
