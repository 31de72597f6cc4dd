use std::{
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use navarch::client::{CallError, CallOptions, Client, rpc::RegisterNode};
use navarch_host::{Moment, TaskHandle};
use navarch_proto::api;
use tokio_util::sync::CancellationToken;

use crate::{error::ChaosError, host::Host, proc::Group};

/// Limit of a write.
const LIMIT: Duration = Duration::from_secs(25);

/// Clients that write as fast as they are answered.
pub struct Stream {
    host: Host,
    client: Client,
    /// What all ids of this stream begin with.
    run: String,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: Vec<TaskHandle>,
}

/// What the clients of a stream were told since it was last asked.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    /// When each write was acknowledged, in that order.
    pub at: Vec<Moment>,
    /// Why writes failed.
    pub failures: Vec<String>,
}

#[derive(Default)]
struct Shared {
    told: Mutex<Acknowledged>,
    next: AtomicU64,
}

impl Stream {
    /// Starts `clients` of them, each a loop on one balancing client.
    ///
    /// # Errors
    ///
    /// Never for a group of ours.
    pub fn start(host: &Host, group: &Group, clients: usize) -> Result<Self, ChaosError> {
        let (stop, shared) = (CancellationToken::new(), Arc::<Shared>::default());
        let client = group.client()?;
        let run = format!("{:x}-{:x}", host.clock.wall_ms(), process::id());
        let tasks = (0..clients).map(|_| {
            let (host, stop) = (host.clone(), stop.clone());
            let (client, shared, run) = (client.clone(), Arc::clone(&shared), run.clone());
            async move {
                while !stop.is_cancelled() {
                    let node_id = format!("{run}-{}", shared.next.fetch_add(1, Ordering::Relaxed));
                    let result = register(&client, node_id).await;
                    let mut told = shared.lock();
                    match result {
                        Ok(()) => told.at.push(host.clock.now()),
                        Err(error) => told.failures.push(error.to_string()),
                    }
                }
            }
        });
        let tasks: Vec<_> = tasks.map(|task| host.spawner.spawn("stream", task)).collect();
        Ok(Self { host: host.clone(), client, run, shared, stop, tasks })
    }

    /// How long one further write takes from now until it is acknowledged.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub async fn probe(&self) -> Result<Duration, ChaosError> {
        let begun = self.host.clock.now();
        let node_id = format!("{}-{}", self.run, self.shared.next.fetch_add(1, Ordering::Relaxed));
        register(&self.client, node_id).await.map_err(ChaosError::call("write"))?;
        Ok(self.host.clock.now().since(begun))
    }

    /// What the clients were told since this was last asked.
    pub fn take(&self) -> Acknowledged {
        std::mem::take(&mut *self.shared.lock())
    }

    /// Lets every client finish its call.
    pub async fn stop(mut self) -> Acknowledged {
        self.stop.cancel();
        for task in std::mem::take(&mut self.tasks) {
            task.join().await;
        }
        self.take()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Acknowledged> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Acknowledged {
    /// The longest time between two acknowledgements that follow each other.
    pub fn longest_gap(&self) -> Duration {
        let gaps = self.at.windows(2).map(|pair| pair[1].since(pair[0]));
        gaps.max().unwrap_or_default()
    }
}

async fn register(client: &Client, node_id: String) -> Result<(), CallError> {
    let request =
        api::RegisterNodeRequest { node_id, provider: "chaos".to_owned(), ..Default::default() };
    client.call::<RegisterNode>(request, &CallOptions::within(LIMIT)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a pause that every client felt could hide among their answers.
    #[tokio::test]
    async fn the_longest_gap_is_found() {
        let start = Host::system().clock.now();
        let at = [0, 5, 90, 95].map(|ms| start + Duration::from_millis(ms));
        let told = Acknowledged { at: at.into(), failures: Vec::new() };
        assert_eq!(told.longest_gap(), Duration::from_millis(85));
        assert_eq!(Acknowledged::default().longest_gap(), Duration::ZERO);
    }
}
