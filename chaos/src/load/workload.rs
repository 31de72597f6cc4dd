use std::{sync::Arc, time::Duration};

use navarch_host::TaskHandle;
use tokio_util::sync::CancellationToken;

use super::{Scribe, history::History, reader::Reader, writer::Writer};
use crate::{error::ChaosError, history::Stopwatch, host::Host, members::Members};

/// How much is asked of a group.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadOptions {
    /// Clients that write.
    pub writers: usize,
    /// Between two writes of a client.
    pub write_pause: Duration,
    /// Of ten writes so many register a new node, which never beats; at most nine.
    pub new_nodes: u64,
    /// Between two reads of the client of each replica.
    pub read_pause: Duration,
}

impl Default for WorkloadOptions {
    /// A load of a few hundred calls a second, which leaves the replicas room on two cores.
    fn default() -> Self {
        Self {
            writers: 8,
            write_pause: Duration::from_millis(20),
            new_nodes: 6,
            read_pause: Duration::from_millis(5),
        }
    }
}

/// Clients that write through all replicas, and one for each replica that reads from it alone.
pub struct Workload {
    history: Arc<History>,
    stopwatch: Stopwatch,
    stop: CancellationToken,
    tasks: Vec<TaskHandle>,
}

impl Workload {
    /// Starts the clients.
    ///
    /// # Errors
    ///
    /// Never for a group of ours.
    pub fn start(
        host: &Host,
        group: &impl Members,
        options: WorkloadOptions,
    ) -> Result<Self, ChaosError> {
        let (history, stop) = (Arc::<History>::default(), CancellationToken::new());
        let stopwatch = Stopwatch::start(&host.clock);
        let mut clients = (0_u32..)
            .map(|client| Scribe::new(history.recorder().clone(), stopwatch.clone(), client));
        let run = format!("{:x}-{:x}", host.clock.wall_ms(), rand::random::<u32>());
        let mut tasks = Vec::new();
        for (number, scribe) in clients.by_ref().take(options.writers).enumerate() {
            let writer = Writer {
                host: host.clone(),
                client: group.client()?,
                history: Arc::clone(&history),
                scribe,
                prefix: format!("{run}-{number}"),
                new_nodes: options.new_nodes,
                pause: options.write_pause,
            };
            tasks.push(host.spawner.spawn("writer", writer.run(stop.clone())));
        }
        for (index, scribe) in clients.take(group.count()).enumerate() {
            let reader = Reader {
                host: host.clone(),
                client: group.client_of(index),
                replica: group.name(index).to_owned(),
                history: Arc::clone(&history),
                scribe,
                pause: options.read_pause,
            };
            tasks.push(host.spawner.spawn("reader", reader.run(stop.clone())));
        }
        Ok(Self { history, stopwatch, stop, tasks })
    }

    /// What the clients were told so far.
    pub fn history(&self) -> Arc<History> {
        Arc::clone(&self.history)
    }

    /// By which the times of the history are told.
    pub fn stopwatch(&self) -> &Stopwatch {
        &self.stopwatch
    }

    /// Lets every client finish its call, and answers what they were told.
    pub async fn stop(mut self) -> Arc<History> {
        self.stop.cancel();
        for task in std::mem::take(&mut self.tasks) {
            task.join().await;
        }
        Arc::clone(&self.history)
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
