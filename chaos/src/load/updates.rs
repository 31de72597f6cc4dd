use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use navarch::client::{CallOptions, Client, rpc::RegisterNode};
use navarch_host::{Moment, TaskHandle};
use navarch_proto::api;
use tokio_util::sync::CancellationToken;

use crate::{error::ChaosError, host::Host, proc::Group};

/// Limit of a write.
const LIMIT: Duration = Duration::from_secs(25);

/// Clients each of which registers the same node again as soon as it is answered: writes that leave the fleet as
/// large as it is.
pub struct Updates {
    told: Arc<Mutex<Told>>,
    stop: CancellationToken,
    tasks: Vec<TaskHandle>,
}

/// A write that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// When it was called for.
    pub begun: Moment,
    /// When it was acknowledged.
    pub ended: Moment,
}

#[derive(Default)]
struct Told {
    updates: Vec<Update>,
    failure: Option<String>,
}

impl Updates {
    /// Starts `clients` of them on one balancing client.
    ///
    /// # Errors
    ///
    /// Never for a group of ours.
    pub fn start(host: &Host, group: &Group, clients: usize) -> Result<Self, ChaosError> {
        let (stop, told) = (CancellationToken::new(), Arc::<Mutex<Told>>::default());
        let client = group.client()?;
        let tasks = (0..clients).map(|number| {
            let (host, stop) = (host.clone(), stop.clone());
            let (client, told) = (client.clone(), Arc::clone(&told));
            async move {
                while !stop.is_cancelled() {
                    let begun = host.clock.now();
                    let outcome = register(&client, number).await;
                    let ended = host.clock.now();
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    match outcome {
                        Ok(()) => told.updates.push(Update { begun, ended }),
                        Err(error) => {
                            told.failure.get_or_insert(error);
                        }
                    }
                }
            }
        });
        let tasks: Vec<_> = tasks.map(|task| host.spawner.spawn("updates", task)).collect();
        Ok(Self { told, stop, tasks })
    }

    /// Ends them; every write that was acknowledged.
    ///
    /// # Errors
    ///
    /// If a write failed.
    pub async fn stop(self) -> Result<Vec<Update>, ChaosError> {
        self.stop.cancel();
        for task in self.tasks {
            task.join().await;
        }
        let told = std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        match told.failure {
            None => Ok(told.updates),
            Some(problem) => Err(ChaosError::Tool { program: "a writer".to_owned(), problem }),
        }
    }
}

async fn register(client: &Client, number: usize) -> Result<(), String> {
    let request = api::RegisterNodeRequest {
        node_id: format!("chaos-updates-{number}"),
        provider: "chaos".to_owned(),
        ..Default::default()
    };
    let answer = client.call::<RegisterNode>(request, &CallOptions::within(LIMIT)).await;
    answer.map(drop).map_err(|error| error.to_string())
}
