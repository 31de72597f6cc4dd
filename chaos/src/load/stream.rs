use std::{
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use navarch::client::{CallOptions, Client, rpc::RegisterNode};
use navarch_host::{Moment, TaskHandle};
use navarch_proto::api;
use tokio_util::sync::CancellationToken;

use crate::{error::ChaosError, host::Host, proc::Group};

/// Limit of a write.
const LIMIT: Duration = Duration::from_secs(25);

/// Makes one write under a key that nobody else has, and waits until it is acknowledged; or says why it failed.
pub type Write = Arc<dyn Fn(String) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Clients that write as fast as they are answered.
pub struct Stream {
    host: Host,
    write: Write,
    /// What all ids of this stream begin with.
    run: String,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: Vec<TaskHandle>,
}

/// What the clients of a stream were told since it was last asked.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    /// Every write that was acknowledged, in the order of its answer.
    pub writes: Vec<Written>,
    /// When and why writes failed.
    pub failures: Vec<(Moment, String)>,
}

/// A write that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// When.
    pub at: Moment,
    /// How long that took.
    pub took: Duration,
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
        let client = group.client()?;
        let write = move |key: String| -> BoxFuture<'static, _> {
            let client = client.clone();
            Box::pin(async move { register(&client, key).await })
        };
        Ok(Self::of(host, clients, Arc::new(write)))
    }

    /// Starts `clients` of them, each of which writes by `write`.
    pub fn of(host: &Host, clients: usize, write: Write) -> Self {
        let (stop, shared) = (CancellationToken::new(), Arc::<Shared>::default());
        let run = format!("{:x}-{:x}", host.clock.wall_ms(), process::id());
        let tasks = (0..clients).map(|_| {
            let (host, stop) = (host.clone(), stop.clone());
            let (write, shared, run) = (Arc::clone(&write), Arc::clone(&shared), run.clone());
            async move {
                while !stop.is_cancelled() {
                    let key = format!("{run}-{}", shared.next.fetch_add(1, Ordering::Relaxed));
                    let begun = host.clock.now();
                    let result = write(key).await;
                    let at = host.clock.now();
                    let mut told = shared.lock();
                    match result {
                        Ok(()) => told.writes.push(Written { at, took: at.since(begun) }),
                        Err(error) => told.failures.push((at, error)),
                    }
                }
            }
        });
        let tasks: Vec<_> = tasks.map(|task| host.spawner.spawn("stream", task)).collect();
        Self { host: host.clone(), write, run, shared, stop, tasks }
    }

    /// How long one further write takes from now until it is acknowledged.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub async fn probe(&self) -> Result<Duration, ChaosError> {
        let begun = self.host.clock.now();
        let key = format!("{}-{}", self.run, self.shared.next.fetch_add(1, Ordering::Relaxed));
        let failed = |problem| ChaosError::Tool { program: "a write".to_owned(), problem };
        (self.write)(key).await.map_err(failed)?;
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
        let gaps = self.writes.windows(2).map(|pair| pair[1].at.since(pair[0].at));
        gaps.max().unwrap_or_default()
    }

    /// Adds what clients were told later.
    pub fn extend(&mut self, later: Self) {
        self.writes.extend(later.writes);
        self.failures.extend(later.failures);
    }
}

async fn register(client: &Client, node_id: String) -> Result<(), String> {
    let request =
        api::RegisterNodeRequest { node_id, provider: "chaos".to_owned(), ..Default::default() };
    let answer = client.call::<RegisterNode>(request, &CallOptions::within(LIMIT)).await;
    answer.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a pause that every client felt could hide among their answers.
    #[tokio::test]
    async fn the_longest_gap_is_found() {
        let start = Host::system().clock.now();
        let took = Duration::from_millis(1);
        let writes =
            [0, 5, 90, 95].map(|ms| Written { at: start + Duration::from_millis(ms), took });
        let told = Acknowledged { writes: writes.into(), failures: Vec::new() };
        assert_eq!(told.longest_gap(), Duration::from_millis(85));
        assert_eq!(Acknowledged::default().longest_gap(), Duration::ZERO);
    }
}
