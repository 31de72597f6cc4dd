use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use navarch::{
    config,
    server::{Host, Options, Plugins, Server},
};
use navarch_cluster::{FatalHook, Leadership, Limits, MemoryDisk, StorageKind};
use navarch_host::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    cloud::{Access, Market, now_ms},
    network::{SimulatedNetwork, address_of, replica_host},
    tasks::OneThread,
    trace::Trace,
};

/// Where clients and peers are listened for.
pub(super) const PORT: u16 = 50051;
const PEER_PORT: u16 = 50052;

/// So few entries that snapshots are built and sent in every run.
const SNAPSHOT_EVERY: u64 = 80;

/// How long a sync takes where nothing is wrong with the disk.
pub(super) const SYNC_TIME: Duration = Duration::from_millis(2);

/// Pools of a fleet of about 20 nodes, with times short enough for a run to see every deadline pass.
const FLEET: &str = "
  heartbeat_interval: 2s
  heartbeat_timeout: 10s
  health_check_interval: 10s
  autoscale_interval: 1s
  breaker: {open_above_percent: 100, window: 20s, losses_a_minute_percent: 40}
";
const SECTIONS: &str = "
instance_manager: {registration_timeout: 12s, stale_check_interval: 1s, retain_terminated: 60s, orphan_sweep_interval: 8s, orphan_min_age: 15s}
providers:
  cloud: {type: custom}
pools:
  by-hand:
    provider: cloud
    instance_type: h100-8x
    min_nodes: 8
    max_nodes: 16
    health: {unhealthy_after: 2, auto_replace: true, replace_at_once_percent: 100, replace_per_hour_percent: 10000}
  busy:
    provider: cloud
    instance_type: h100-8x
    min_nodes: 4
    max_nodes: 10
    cooldown: 2s
    autoscaling: {type: reactive, scale_up_at: 60, scale_down_at: 20}
    health: {unhealthy_after: 2, auto_replace: true, replace_at_once_percent: 100, replace_per_hour_percent: 10000}
";

/// The pools and their maxima.
pub(super) const MAXIMA: [(&str, u32); 2] = [("by-hand", 16), ("busy", 10)];

/// One replica: what survives its crashes, and what it is now.
#[derive(Clone)]
pub(super) struct Replica {
    pub(super) index: usize,
    pub(super) name: String,
    directory: PathBuf,
    disk: MemoryDisk,
    initial: String,
    market: Market,
    trace: Trace,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// By how much its wall clock is wrong, milliseconds.
    wall_ms: AtomicI64,
    /// A fault that it must not survive was met: its host is to crash.
    died: AtomicBool,
    /// Why it stopped by itself.
    stopped: Mutex<Option<String>>,
    leadership: Mutex<Option<watch::Receiver<Leadership>>>,
}

impl Replica {
    /// Replica `index` of `count`, in a directory of its own below `directory`.
    pub(super) fn new(
        index: usize,
        count: usize,
        directory: &Path,
        (market, trace): (&Market, &Trace),
    ) -> Self {
        let mut initial = String::new();
        for other in 0..count {
            let (name, address) = (replica_host(other), address_of(other));
            let _ = writeln!(initial, "    - {{name: {name}, address: \"{address}:{PEER_PORT}\"}}");
        }
        let disk = MemoryDisk::default();
        disk.set_sync_time(SYNC_TIME);
        Self {
            index,
            name: replica_host(index),
            directory: directory.join(replica_host(index)),
            disk,
            initial,
            market: market.clone(),
            trace: trace.clone(),
            state: Arc::default(),
        }
    }

    /// Runs it on the calling host until the host crashes or it stops by itself.
    pub(super) async fn run(self) {
        let stopped = match self.options() {
            Ok(options) => self.serve(options).await,
            Err(error) => error,
        };
        self.trace.tell(format_args!("{} stops: {stopped}", self.name));
        *self.state.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(stopped);
    }

    async fn serve(&self, options: Options) -> String {
        let server = match Server::start(options).await {
            Ok(server) => server,
            Err(error) => return error.to_string(),
        };
        *self.state.leadership.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(server.leadership());
        match server.serve(CancellationToken::new()).await {
            Ok(()) => "it was told to".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn options(&self) -> Result<Options, String> {
        let address = address_of(self.index);
        let text = format!(
            "server:\n  address: \"{address}:{PORT}\"\n  external_address: \"{address}:{PORT}\"{FLEET}\
             cluster:\n  replica: {}\n  data_dir: {}\n  peer_address: \"{address}:{PEER_PORT}\"\n  initial_replicas:\n{}{SECTIONS}",
            self.name,
            serde_json::Value::from(self.directory.to_string_lossy()),
            self.initial,
        );
        let config = config::parse(&text, "simulation.yaml").map_err(|error| error.to_string())?;
        let clock = self.clock();
        let access = Access {
            market: self.market.clone(),
            replica: (self.index, self.name.clone()),
            clock: clock.clone(),
        };
        let host = Host {
            clock: clock.clone(),
            timers: clock,
            spawner: Arc::new(OneThread),
            network: Arc::new(SimulatedNetwork::new(&self.name, self.trace.clone())),
            storage: StorageKind::Memory(self.disk.clone()),
            limits: Limits { snapshot_every: SNAPSHOT_EVERY, ..Limits::default() },
            fatal: self.fatal(),
        };
        let plugins = Plugins::default().provider("cloud", Arc::new(access));
        Ok(Options { plugins, host: Some(host), ..Options::new(config) })
    }

    /// Time as this replica has it.
    fn clock(&self) -> Clock {
        let state = Arc::clone(&self.state);
        Clock::with_wall(move || {
            now_ms().saturating_add_signed(state.wall_ms.load(Ordering::Relaxed))
        })
    }

    fn fatal(&self) -> FatalHook {
        let (state, trace, name) = (Arc::clone(&self.state), self.trace.clone(), self.name.clone());
        FatalHook::new(move |fault| {
            trace.tell(format_args!("{name} must stop: {fault}"));
            state.died.store(true, Ordering::Relaxed);
        })
    }

    /// Its log.
    pub(super) fn disk(&self) -> &MemoryDisk {
        &self.disk
    }

    /// Has its wall clock be wrong by so many milliseconds.
    pub(super) fn set_wall_ms(&self, wrong_by_ms: i64) {
        self.state.wall_ms.store(wrong_by_ms, Ordering::Relaxed);
    }

    /// Whether it met a fault that it must not survive since this was last asked.
    pub(super) fn take_died(&self) -> bool {
        self.state.died.swap(false, Ordering::Relaxed)
    }

    /// Why it stopped by itself since this was last asked.
    pub(super) fn take_stopped(&self) -> Option<String> {
        self.state.stopped.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether it leads, as it believes.
    pub(super) fn leads(&self) -> bool {
        let leadership = self.state.leadership.lock().unwrap_or_else(PoisonError::into_inner);
        leadership.as_ref().is_some_and(|leadership| leadership.borrow().local)
    }

    /// Its host has crashed: nothing of what it was is left.
    pub(super) fn crashed(&self) {
        *self.state.leadership.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
