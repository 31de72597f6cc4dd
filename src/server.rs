//! Composition root: the only file that knows every layer. It puts one replica together, serves until it is
//! told to stop, and takes it apart in an order that loses no call: hand leadership over, close the port,
//! stop the log.

mod booter;
mod controller_set;
mod host;
mod metrics;
mod options;
mod plugins;
mod runtimes;
mod seed;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use navarch_cluster::{Leadership, Replica, ReplicaParts, StartError, StopReason};
use navarch_host::TaskHandle;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use uuid::Uuid;

use crate::{
    api::{
        self, Api, ApiParts, Forward, RelayedCalls, TokenGate, Tokens,
        connect::{Bridge, BridgeParts, Limits, MethodTable, MethodTableError},
        listener::{ListenError, Listener, ListenerConfig, ListenerCounts, TlsError, load_tls},
    },
    config::ReplicaConfig,
    health::{Policy, PolicyError},
    leader::{Leader, LeaderParts, Reports},
    ledger::{FleetMachine, Ledger},
    liveness::Liveness,
    metrics_source::Heartbeats,
    scaling::Autoscalers,
};

pub use self::{
    host::Host,
    options::Options,
    plugins::{PluginError, Plugins},
};

/// How long a stopping leader tries to hand over.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a replica stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The public port could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The public port's certificate cannot be used.
    #[error("server.tls: {0}")]
    Tls(#[from] TlsError),
    /// The replica could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The configured health policy does not compile.
    #[error("health policy: {0}")]
    Policy(#[from] PolicyError),
    /// A token for agents without one for operators would leave everything else open.
    #[error(
        "NAVARCH_AGENT_TOKEN is set and NAVARCH_AUTH_TOKEN is not: everybody would be an operator; set both"
    )]
    AgentTokenAlone,
    /// What the embedding program brought along cannot be used.
    #[error(transparent)]
    Plugins(#[from] PluginError),
    /// The replica stopped by itself.
    #[error("{0}")]
    Stopped(StopReason),
    /// The built-in service descriptions do not fit together.
    #[error("service descriptors: {0}")]
    Methods(#[from] MethodTableError),
    /// The built-in service descriptions do not fit together.
    #[error("{0}")]
    Events(#[from] tonic::Status),
    /// The built-in service descriptions do not fit together.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Runs one replica until `stop` is cancelled.
///
/// # Errors
///
/// If it cannot start, or cannot go on.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), ServerError> {
    Server::start(options).await?.serve(stop).await
}

/// One replica that has been started and waits to be served.
pub struct Server {
    assembly: Assembly,
    listener: Listener,
    name: String,
}

impl Server {
    /// Opens the port and the data directory, and joins or forms a group. Clients are answered once the replica is
    /// served, and no sooner; it has to be, for that also ends it.
    ///
    /// # Errors
    ///
    /// If it cannot start.
    pub async fn start(mut options: Options) -> Result<Self, ServerError> {
        Policy::compile(&options.config.fleet.policy_yaml, 0)?;
        let tokens = tokens();
        if tokens.agent.is_some() && tokens.operator.is_none() {
            return Err(ServerError::AgentTokenAlone);
        }
        let autoscalers = options.plugins.autoscalers()?;
        options.plugins.metrics()?;
        raise_open_files();
        let mut host = options.host.take().unwrap_or_else(Host::system);
        if let Some(clock) = options.plugins.clock.clone() {
            host.clock = clock;
        }
        // The port first: when it is taken, nothing else must have happened.
        let listener = listener_config(&options.config.replica)?;
        let listener = Listener::bind(&*host.network, listener).await?;
        options::settle_port(&mut options.config.replica, listener.address().port());
        let (machine, views) = FleetMachine::new();
        let relayed = Arc::new(RelayedCalls::default());
        let parts = ReplicaParts {
            state_machine: Box::new(machine),
            relay_handler: Arc::clone(&relayed) as _,
            clock: host.clock.clone(),
            timers: host.timers.clone(),
            spawner: Arc::clone(&host.spawner),
            network: Arc::clone(&host.network),
            fatal: host.fatal.clone(),
        };
        let mut config = cluster_config(&options);
        config.storage = host.storage.clone();
        config.limits = host.limits.clone();
        let every = options.config.replica.snapshot_every;
        config.limits.snapshot_every = every.unwrap_or(config.limits.snapshot_every);
        let replica = Replica::start(config, parts).await?;
        let ledger = Ledger::new(Arc::new(replica.clone()), views, host.clock.clone());
        let around = Around { relayed: &relayed, connections: listener.counts(), autoscalers };
        let assembly = Assembly::new(&options, host, (replica, ledger), around)?;
        Ok(Self { assembly, listener, name: options.config.replica.name })
    }

    /// Where it listens for clients; the port that the system chose, if the configuration has port 0.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Who leads, as this replica knows it.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.assembly.replica.leadership()
    }

    /// Answers clients until `stop` is cancelled, then hands over and stops.
    ///
    /// # Errors
    ///
    /// If the replica cannot go on.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), ServerError> {
        tracing::info!(replica = self.name, address = %self.address(), "serving");
        self.assembly.serve(self.listener, stop).await
    }
}

/// The public port as the file has it.
fn listener_config(replica: &ReplicaConfig) -> Result<ListenerConfig, TlsError> {
    let mut config = ListenerConfig::new(&replica.address);
    if let Some(files) = &replica.public_tls {
        config.tls = Some(load_tls(&files.cert, &files.key)?);
    }
    if tokens().operator.is_some() && replica.speaks_in_the_clear() {
        let address = &replica.address;
        tracing::warn!(%address, "tokens travel in the clear: set server.tls.cert and server.tls.key");
    }
    Ok(config)
}

/// Each client takes a file descriptor, and the usual soft limit is 1,024: takes what the hard limit allows.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// What else a replica is put together from.
struct Around<'a> {
    relayed: &'a RelayedCalls,
    connections: Arc<ListenerCounts>,
    autoscalers: Autoscalers,
}

/// A replica, put together.
struct Assembly {
    host: Host,
    replica: Replica,
    bridge: Bridge,
    /// Ends waits, streams and the listener.
    closing: CancellationToken,
    /// Ends the background tasks, once no call needs them any more.
    stopping: CancellationToken,
    tasks: Vec<TaskHandle>,
}

impl Assembly {
    fn new(
        options: &Options,
        host: Host,
        (replica, ledger): (Replica, Ledger),
        Around { relayed, connections, autoscalers }: Around<'_>,
    ) -> Result<Self, ServerError> {
        let config = &options.config;
        let closing = CancellationToken::new();
        let stopping = CancellationToken::new();
        let liveness = Arc::<Liveness>::default();
        let reports = Reports::default();
        let last_reports = reports.clone();
        let api = Api::new(ApiParts {
            ledger: ledger.clone(),
            replica: replica.clone(),
            liveness: Arc::clone(&liveness),
            reports: Arc::new(move || last_reports.all()),
            closing: closing.clone(),
            connections,
            autoscalers: autoscalers.clone(),
            spawner: Arc::clone(&host.spawner),
        });
        let (services, keep_health) = api::services(&api, stopping.clone())?;
        relayed.connect(Arc::clone(&api));
        let routes = Forward::new(Arc::clone(&api), services, &host.spawner).into_routes();
        let bridge = bridge(&api, routes, &host, closing.clone())?;
        let heartbeats = Arc::new(Heartbeats::new(Arc::clone(&liveness)));
        let sampled = (Arc::clone(&heartbeats), autoscalers.clone());
        let sampling = metrics::follow(ledger.clone(), sampled, stopping.clone());
        let metrics = metrics::sources(&host, heartbeats, options.plugins.metrics()?);
        let parts = LeaderParts {
            ledger: ledger.clone(),
            liveness: Arc::clone(&liveness),
            controllers: controller_set::make(
                options,
                &host,
                (&replica, &ledger),
                (liveness, metrics, autoscalers),
                &stopping,
            ),
            reports,
            spawner: runtimes::for_controllers(&*host.spawner)?,
            name: config.replica.name.clone(),
            half_lease: replica.lease() / 2,
        };
        let leader = Leader::new(parts, Uuid::new_v4().to_string());
        let author = config.replica.name.clone();
        let seed = seed::seed(ledger, config.fleet.clone(), author, stopping.clone());
        let tasks = vec![
            host.spawner.spawn("leader", leader.run(stopping.clone())),
            host.spawner.spawn("command-wake-ups", api.run(stopping.clone())),
            host.spawner.spawn("health-service", keep_health),
            host.spawner.spawn("first-configuration", seed),
            host.spawner.spawn("pool-samples", sampling),
        ];
        Ok(Self { host, replica, bridge, closing, stopping, tasks })
    }

    async fn serve(self, listener: Listener, stop: CancellationToken) -> Result<(), ServerError> {
        let runtimes = runtimes::for_clients(&*self.host.spawner)?;
        let serving = listener.serve(self.bridge.clone(), self.host.timers.clone(), runtimes);
        let serving = self.host.spawner.spawn("listener", serving);
        let reason = tokio::select! {
            () = stop.cancelled() => StopReason::Shutdown,
            reason = stopped(&self.replica) => reason,
        };
        if reason == StopReason::Shutdown {
            self.hand_over().await;
        }
        self.closing.cancel();
        serving.join().await;
        self.stopping.cancel();
        for task in self.tasks {
            task.join().await;
        }
        self.replica.shutdown().await;
        match reason {
            StopReason::Shutdown => Ok(()),
            reason => Err(ServerError::Stopped(reason)),
        }
    }

    /// Gives leadership away while the port is still open, so that no call meets a leaderless group longer
    /// than the hand-over takes.
    async fn hand_over(&self) {
        let replica = &self.replica;
        if replica.leadership().borrow().local && voters(replica) > 1 {
            let deadline = self.host.clock.now() + HAND_OVER_TIMEOUT;
            if let Err(error) = replica.transfer_leader(None, deadline).await {
                tracing::warn!(%error, "leadership was not handed over; the others will elect");
            }
        }
    }
}

/// What leads from the port to `routes`, and to what is no call: probes and the journal's event stream.
fn bridge(
    api: &Arc<Api>,
    routes: Routes,
    host: &Host,
    stopping: CancellationToken,
) -> Result<Bridge, ServerError> {
    let gate = Arc::new(TokenGate::new(Arc::clone(api), tokens()));
    let events = api::event_stream(Arc::clone(api), Arc::clone(&gate))?;
    Ok(Bridge::new(BridgeParts {
        methods: MethodTable::new(&[navarch_proto::DESCRIPTORS], &SERVICES)?,
        routes,
        plain: api::probes(Arc::clone(api)).merge(events),
        gate,
        limits: Limits::default(),
        clock: host.clock.clone(),
        spawner: Arc::clone(&host.spawner),
        stopping,
    }))
}

/// The services that Connect clients can call.
const SERVICES: [&str; 3] =
    ["navarch.ControlPlaneService", "navarch.OperatorService", "navarch.ReplicaService"];

/// The replica of `options` as the group knows it.
pub(crate) fn cluster_config(options: &Options) -> navarch_cluster::ReplicaConfig {
    let replica = &options.config.replica;
    let data_dir = options.data_dir.clone().unwrap_or_else(|| replica.data_dir.clone());
    let mut config =
        navarch_cluster::ReplicaConfig::new(&replica.name, data_dir, &replica.peer_address);
    config.advertised.clone_from(&replica.advertise_peer_address);
    config.public_address.clone_from(&replica.advertise_address);
    config.bootstrap = options.bootstrap;
    config.timings.heartbeat = replica.timings.heartbeat;
    config.timings.election_min = replica.timings.election_min;
    config.timings.election_max = replica.timings.election_max;
    config.initial_replicas = replica
        .initial_replicas
        .iter()
        .map(|initial| navarch_cluster::InitialReplica {
            name: initial.name.clone(),
            address: initial.address.clone(),
        })
        .collect();
    config.tls = replica.tls.as_ref().map(|tls| navarch_cluster::TlsFiles {
        ca: tls.ca.clone(),
        certificate: tls.cert.clone(),
        key: tls.key.clone(),
    });
    config
}

fn voters(replica: &Replica) -> usize {
    replica.status().replicas.iter().filter(|replica| replica.voter).count()
}

/// Waits until the replica stops by itself.
async fn stopped(replica: &Replica) -> StopReason {
    let mut stopped = replica.stopped();
    match stopped.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or(StopReason::Shutdown),
        Err(_) => StopReason::Shutdown,
    }
}

/// Secrets come from the environment alone, and never enter the log.
fn tokens() -> Tokens {
    let secret = |name| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty());
        value.map(SecretString::from)
    };
    Tokens { operator: secret("NAVARCH_AUTH_TOKEN"), agent: secret("NAVARCH_AGENT_TOKEN") }
}
