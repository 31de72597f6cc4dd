use std::sync::Arc;

use futures::{StreamExt, stream::FuturesUnordered};
use navarch_host::{Clock, Spawner};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{life::live, options::AgentOptions, receipts::Receipts};
use crate::{
    client::{Balance, Client, ClientError, ClientOptions},
    provider::{
        Machine,
        fake::{AgentBooter, AgentHandle},
    },
};

/// Calls in flight at once for all agents together, waiting for commands not counted.
const CALL_LIMIT: usize = 256;

/// Agents that wait for commands at once; the others take turns.
pub(super) const POLL_LIMIT: usize = 512;

/// Runs the agents of all simulated machines in one task.
pub struct SimulatedAgents {
    /// As many can wait as there are machines, which the cloud bounds.
    boots: mpsc::UnboundedSender<(Machine, CancellationToken)>,
}

/// What all agents share.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) options: AgentOptions,
    pub(super) receipts: Arc<Receipts>,
    pub(super) calls: Semaphore,
    pub(super) polls: Semaphore,
}

impl SimulatedAgents {
    /// Starts the task, which ends with `stop`.
    ///
    /// # Errors
    ///
    /// The addresses of the replicas, the token or the authorities cannot be used.
    pub fn start(
        options: AgentOptions,
        receipts: Arc<Receipts>,
        clock: Clock,
        spawner: Arc<dyn Spawner>,
        stop: CancellationToken,
    ) -> Result<Self, ClientError> {
        let client = Client::new(
            &options.replicas,
            ClientOptions {
                token: options.token.clone(),
                ca_file: options.ca_file.clone(),
                insecure: options.insecure,
                network: Arc::clone(&options.network),
                balance: Balance::EachCall,
                ..ClientOptions::new(clock.clone(), Arc::clone(&spawner))
            },
        )?;
        let shared = Arc::new(Shared {
            client,
            clock,
            options,
            receipts,
            calls: Semaphore::new(CALL_LIMIT),
            polls: Semaphore::new(POLL_LIMIT),
        });
        let (boots, booted) = mpsc::unbounded_channel();
        spawner.spawn("simulated-agents", run(shared, booted, stop));
        Ok(Self { boots })
    }
}

impl AgentBooter for SimulatedAgents {
    fn boot(&self, machine: &Machine) -> AgentHandle {
        let stop = CancellationToken::new();
        // After the stop of all agents there is nobody left to boot one.
        let _ = self.boots.send((machine.clone(), stop.clone()));
        AgentHandle::new(stop)
    }
}

async fn run(
    shared: Arc<Shared>,
    mut booted: mpsc::UnboundedReceiver<(Machine, CancellationToken)>,
    stop: CancellationToken,
) {
    let mut lives = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            boot = booted.recv() => match boot {
                Some((machine, unplugged)) => {
                    let shared = Arc::clone(&shared);
                    // Boxed: the set then holds a pointer for each of thousands.
                    lives.push(Box::pin(async move {
                        tokio::select! {
                            () = unplugged.cancelled() => {}
                            () = live(&shared, &machine) => {}
                        }
                    }));
                }
                None => return,
            },
            Some(()) = lives.next() => {}
        }
    }
}
