use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use navarch_host::Clock;
use navarch_proto::api::NodeConfig;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    AgentConfig, AgentError,
    gpu::{GpuMap, GpuProbe},
    kernel_log::KernelLog,
    outbox::Outbox,
};
use crate::client::Client;

/// Shortest interval that a group may tell.
const SHORTEST: Duration = Duration::from_millis(100);
/// Longest interval that a group may tell: a wrong figure must not silence a node for days.
const LONGEST: Duration = Duration::from_secs(3_600);

/// What the loops of an agent have in common.
pub(super) struct Shared {
    pub(super) config: AgentConfig,
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) probe: GpuProbe,
    /// Which GPU sits where.
    pub(super) gpus: Arc<GpuMap>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) kernel_log: KernelLog,
    /// Ends all loops.
    pub(super) stop: CancellationToken,
    /// Woken when the group does not know the node.
    forgotten: Notify,
    /// Woken when a replica does not know the node; it may be behind.
    doubts: Notify,
    settings: Mutex<Settings>,
    /// Why the loops end, if nobody wanted them to.
    failure: Mutex<Option<AgentError>>,
}

/// What a node's loops work with.
pub(super) struct Parts {
    pub(super) config: AgentConfig,
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) probe: GpuProbe,
    pub(super) gpus: Arc<GpuMap>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) kernel_log: KernelLog,
    pub(super) stop: CancellationToken,
}

/// What the group told this node.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) heartbeat: Duration,
    pub(super) health_check: Duration,
    pub(super) checks: Arc<[String]>,
    /// How often the node has registered: tells an old `not_found` from a new one.
    pub(super) registrations: u64,
    /// The registration that the group forgot last; 0: none.
    forgotten: u64,
    /// How long it should wait before it registers again, where the group said so.
    pub(super) register_after: Option<Duration>,
    /// GPUs that the node registered with.
    pub(super) gpus: usize,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { config, client, clock, probe, gpus, outbox, kernel_log, stop } = parts;
        let settings = Settings {
            heartbeat: Duration::from_secs(30),
            health_check: Duration::from_secs(60),
            checks: Arc::from([]),
            registrations: 0,
            forgotten: 0,
            register_after: None,
            gpus: 0,
        };
        Self {
            config,
            client,
            clock,
            probe,
            gpus,
            outbox,
            kernel_log,
            stop,
            forgotten: Notify::new(),
            doubts: Notify::new(),
            settings: Mutex::new(settings),
            failure: Mutex::new(None),
        }
    }

    pub(super) fn settings(&self) -> Settings {
        self.lock().clone()
    }

    /// Takes over what a registration answered.
    pub(super) fn registered(&self, config: &NodeConfig, gpus: usize) {
        let mut settings = self.lock();
        settings.heartbeat = seconds(config.heartbeat_interval_seconds);
        settings.health_check = seconds(config.health_check_interval_seconds);
        settings.checks = config.enabled_health_checks.clone().into();
        settings.registrations += 1;
        settings.gpus = gpus;
    }

    /// Takes over the interval that a heartbeat's answer told; 0 keeps the present one.
    pub(super) fn next_interval(&self, interval_ms: u32) {
        if interval_ms > 0 {
            let interval = Duration::from_millis(u64::from(interval_ms));
            self.lock().heartbeat = interval.clamp(SHORTEST, LONGEST);
        }
    }

    /// Notes that a heartbeat of registration number `registrations` was answered with `not_found`, and when the node
    /// should register again.
    pub(super) fn is_forgotten(&self, registrations: u64, after: Option<Duration>) {
        let mut settings = self.lock();
        if settings.registrations == registrations && settings.forgotten != registrations {
            settings.forgotten = registrations;
            settings.register_after = after;
            self.forgotten.notify_one();
        }
    }

    /// Notes the same of another call: with no time given, a heartbeat is to find out.
    pub(super) fn may_be_forgotten(&self, registrations: u64, after: Option<Duration>) {
        match after {
            Some(_) => self.is_forgotten(registrations, after),
            None => self.doubts.notify_one(),
        }
    }

    /// Waits until there is doubt whether the group knows the node.
    pub(super) async fn doubts(&self) {
        self.doubts.notified().await;
    }

    /// Waits until the group has forgotten the last registration. Several calls may be told so of the same one, some
    /// of them while the next is under way.
    pub(super) async fn until_forgotten(&self) {
        loop {
            self.forgotten.notified().await;
            let Settings { registrations, forgotten, .. } = self.settings();
            if forgotten == registrations {
                return;
            }
        }
    }

    /// Runs `future` unless the agent stops first.
    pub(super) async fn until_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            output = future => Some(output),
        }
    }

    /// Ends all loops because the agent cannot go on.
    pub(super) fn fail(&self, error: AgentError) {
        tracing::error!(node = self.config.node_id, %error, "the agent ends");
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.stop.cancel();
    }

    /// Why the loops ended, if nobody wanted them to.
    pub(super) fn take_failure(&self) -> Option<AgentError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits; `false` when the agent stops first.
    pub(super) async fn pause(&self, duration: Duration) -> bool {
        self.until_stopped(self.clock.sleep(duration)).await.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds of a `NodeConfig`, within bounds: the contract says never below 1.
fn seconds(seconds: i32) -> Duration {
    let seconds = u64::try_from(seconds).unwrap_or(0).max(1);
    Duration::from_secs(seconds).min(LONGEST)
}

/// A random share of `duration`: from `low` to all of it.
pub(super) fn jittered(duration: Duration, low: f64) -> Duration {
    duration.mul_f64(rand::random_range(low..=1.0))
}
