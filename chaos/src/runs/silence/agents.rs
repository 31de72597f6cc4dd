use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::stream::{self, StreamExt as _};
use navarch::{
    agent::{
        client_options,
        heartbeat::{LONGEST_CALL, after_beat},
    },
    client::{
        CallOptions, Client, Failure,
        rpc::{Heartbeat, RegisterNode},
    },
};
use navarch_host::{Moment, TaskHandle};
use navarch_proto::api;

use crate::{error::ChaosError, host::Host, report::millis_of};

/// GPUs of a node.
const GPUS: i32 = 8;
/// Agents that share one client: replicas take about two hundred calls on one connection, and each client has one to
/// each replica.
const AGENTS_A_CLIENT: usize = 200;
/// Registrations under way at once.
const REGISTRATIONS: usize = 256;
/// What rates are counted in.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// Time that is counted: far more than a run takes.
const TICKS: usize = 24 * 36_000;

/// Agents that only beat. Each goes by the loop of `navarch::agent`'s heartbeat (one call an interval, retried by the
/// client for a second, a missed one not made up for) over the client that agents use, with
/// their options; what they share is connections.
pub(super) struct Agents {
    shared: Arc<Shared>,
    tasks: Vec<TaskHandle>,
}

struct Shared {
    host: Host,
    interval: Duration,
    origin: Moment,
    /// Beats answered in each tick since the origin.
    answered: Vec<AtomicU64>,
    /// When each node's last beat was answered, in milliseconds since the origin; 0: never.
    last_ms: Vec<AtomicU64>,
    failed: AtomicU64,
    forgotten: AtomicU64,
}

impl Agents {
    /// Registers so many nodes and has them beat.
    pub(super) async fn start(
        host: &Host,
        addresses: &[String],
        (nodes, interval): (usize, Duration),
    ) -> Result<Self, ChaosError> {
        let clients: Vec<Client> = (0..nodes.div_ceil(AGENTS_A_CLIENT))
            .map(|_| {
                let options = client_options(host.clock.clone(), Arc::clone(&host.spawner));
                Ok(Client::new(addresses, options)?)
            })
            .collect::<Result<_, ChaosError>>()?;
        let mut registering = stream::iter(0..nodes)
            .map(|number| register(&clients[number / AGENTS_A_CLIENT], number))
            .buffer_unordered(REGISTRATIONS);
        while let Some(registered) = registering.next().await {
            registered?;
        }
        drop(registering);
        let shared = Arc::new(Shared {
            host: host.clone(),
            interval,
            origin: host.clock.now(),
            answered: (0..TICKS).map(|_| AtomicU64::default()).collect(),
            last_ms: (0..nodes).map(|_| AtomicU64::default()).collect(),
            failed: AtomicU64::default(),
            forgotten: AtomicU64::default(),
        });
        let tasks = (0..nodes).map(|number| {
            let (shared, client) = (Arc::clone(&shared), clients[number / AGENTS_A_CLIENT].clone());
            host.spawner.spawn("agent", async move { shared.beat(&client, number).await })
        });
        let tasks = tasks.collect();
        Ok(Self { shared, tasks })
    }

    /// Beats that were answered in each tick from `since` on.
    pub(super) fn answered(&self, since: Moment, ticks: usize) -> Vec<u64> {
        let first = self.shared.tick(since);
        let last = (first + ticks).min(TICKS);
        self.shared.answered[first.min(last)..last]
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect()
    }

    /// Nodes whose last beat was answered before `since`.
    pub(super) fn silent_since(&self, since: Moment) -> usize {
        let since_ms = self.shared.ms(since);
        let is_silent = |at: &&AtomicU64| at.load(Ordering::Relaxed) < since_ms;
        self.shared.last_ms.iter().filter(is_silent).count()
    }

    /// Beats that failed so far.
    pub(super) fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Beats that were answered with `not_found`.
    pub(super) fn forgotten(&self) -> u64 {
        self.shared.forgotten.load(Ordering::Relaxed)
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    async fn beat(&self, client: &Client, number: usize) {
        let mut interval = self.interval;
        // They started over an interval, not together.
        let phase = interval.mul_f64(rand::random_range(0.0..=1.0));
        let mut due = self.host.clock.now() + phase;
        loop {
            self.host.clock.sleep_until(due).await;
            let options = CallOptions::within(LONGEST_CALL);
            let mut failed = false;
            match client.call::<Heartbeat>(heartbeat(number), &options).await {
                Ok(answer) => {
                    self.note(number);
                    let told = answer.message.next_interval_ms;
                    if told > 0 {
                        interval = Duration::from_millis(u64::from(told));
                    }
                }
                Err(error) => {
                    failed = error.failure() != Failure::NotFound;
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    if error.failure() == Failure::NotFound {
                        self.forgotten.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            let now = self.host.clock.now();
            due = (due.min(now) + after_beat(interval, failed, rand::random())).max(now);
        }
    }

    fn note(&self, number: usize) {
        let now = self.host.clock.now();
        self.last_ms[number].store(self.ms(now).max(1), Ordering::Relaxed);
        if let Some(count) = self.answered.get(self.tick(now)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ms(&self, at: Moment) -> u64 {
        millis_of(at.since(self.origin))
    }

    fn tick(&self, at: Moment) -> usize {
        usize::try_from(at.since(self.origin).as_millis() / TICK.as_millis()).unwrap_or(TICKS)
    }
}

async fn register(client: &Client, number: usize) -> Result<(), ChaosError> {
    let gpus = (0..GPUS).map(|index| api::GpuInfo {
        index,
        uuid: format!("GPU-{number:08x}-silence-{index}"),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        ..api::GpuInfo::default()
    });
    let request = api::RegisterNodeRequest {
        node_id: node_id(number),
        provider: "silence".to_owned(),
        region: "r1".to_owned(),
        zone: format!("z{}", number % 10),
        instance_type: "h100-8x".to_owned(),
        gpus: gpus.collect(),
        metadata: Some(api::NodeMetadata { hostname: node_id(number), ..Default::default() }),
    };
    let options = CallOptions::within(Duration::from_secs(60));
    let answer = client.call::<RegisterNode>(request, &options).await;
    let answer = answer.map_err(ChaosError::call(format!("register {}", node_id(number))))?;
    match answer.message.success {
        true => Ok(()),
        false => Err(ChaosError::Tool {
            program: "the group".to_owned(),
            problem: format!("{} is refused: {}", node_id(number), answer.message.message),
        }),
    }
}

fn node_id(number: usize) -> String {
    format!("silence-{number:07}")
}

fn heartbeat(number: usize) -> api::HeartbeatRequest {
    let gpu_metrics = (0..GPUS).map(|gpu_index| api::GpuMetrics {
        gpu_index,
        temperature: 55,
        power_usage: 400,
        utilization_percent: 60.0,
        memory_used: 64 << 30,
    });
    api::HeartbeatRequest {
        node_id: node_id(number),
        timestamp: None,
        metrics: Some(api::NodeMetrics {
            cpu_usage_percent: 20.0,
            memory_usage_percent: 40.0,
            gpu_metrics: gpu_metrics.collect(),
        }),
    }
}
