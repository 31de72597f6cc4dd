//! A replica that is none: the public services over real sockets, with a script for what they answer.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a helper of several test files, each of which uses a part"
)]

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use navarch::client::{Client, ClientOptions};
use navarch_host::{Clock, SystemSpawner};
use navarch_proto::api::{
    NodeCommand, control_plane_service_server::ControlPlaneServiceServer,
    operator_service_server::OperatorServiceServer,
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::{Notify, oneshot},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Status,
    metadata::{Ascii, MetadataMap, MetadataValue},
    transport::{Identity, ServerTlsConfig},
};

pub mod control_plane;
mod operator;

/// What the toys saw and what they are to answer; several replicas may share one.
#[derive(Default)]
pub struct Script {
    state: Mutex<State>,
    /// Woken when a command is queued.
    pub queued: Notify,
}

/// See [`Script`].
#[derive(Default)]
pub struct State {
    /// Every call: replica, method, metadata.
    pub calls: Vec<Call>,
    /// Errors that the next calls get instead of an answer, by replica.
    pub errors: VecDeque<(String, Status)>,
    /// What every replica names as the leader.
    pub leader: Option<String>,
    /// How long each call takes.
    pub delay: Duration,
    /// Nodes that are known; registration adds them.
    pub nodes: Vec<String>,
    /// Delivered until acknowledged.
    pub commands: Vec<NodeCommand>,
    /// Acknowledgements that arrived: command, result, output, error.
    pub acknowledged: Vec<(String, i32, String, String)>,
    /// How many acknowledgements are lost after they took effect on nothing.
    pub lose_acknowledgements: usize,
    /// Told in heartbeat answers.
    pub next_interval_ms: u32,
    /// Told in registrations, seconds.
    pub heartbeat_interval: i32,
    /// How often the checks are asked for, seconds.
    pub check_interval: i32,
    /// Health reports that took effect.
    pub reports: Vec<navarch_proto::api::ReportHealthRequest>,
    /// Health reports that did not, because their request id was known.
    pub swallowed: Vec<navarch_proto::api::ReportHealthRequest>,
    /// The request ids of health reports.
    pub report_ids: Vec<MetadataValue<Ascii>>,
    /// How many reports take effect without an answer.
    pub lose_reports: usize,
    /// Registrations that arrived.
    pub registrations: Vec<navarch_proto::api::RegisterNodeRequest>,
    /// Heartbeats that arrived.
    pub heartbeats: Vec<navarch_proto::api::HeartbeatRequest>,
}

/// One call that arrived.
pub struct Call {
    pub replica: String,
    pub method: &'static str,
    pub metadata: MetadataMap,
}

impl Call {
    /// A metadata value, empty where absent.
    pub fn text(&self, key: &str) -> &str {
        self.metadata.get(key).map_or("", |value| value.to_str().unwrap())
    }
}

impl Script {
    pub fn new() -> Arc<Self> {
        let script = Self::default();
        {
            let mut state = script.lock();
            (state.heartbeat_interval, state.check_interval) = (30, 60);
        }
        Arc::new(script)
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How many calls of `method` arrived at `replica`; empty: at any.
    pub fn count(&self, replica: &str, method: &str) -> usize {
        let here = |call: &&Call| replica.is_empty() || call.replica == replica;
        let state = self.lock();
        state.calls.iter().filter(here).filter(|call| call.method == method).count()
    }

    /// Waits until `ready`, at most 20 s of real time.
    pub async fn until(&self, what: &str, ready: impl Fn(&State) -> bool) {
        for _ in 0..4_000 {
            if ready(&self.lock()) {
                return;
            }
            Clock::system().sleep(Duration::from_millis(5)).await;
        }
        panic!("not within 20 s: {what}");
    }
}

/// A running toy. Dropping it is `kill -9`: its runtime goes, and all its sockets with it.
pub struct Toy {
    pub address: String,
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
}

impl Toy {
    pub fn start(script: &Arc<Script>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script, None)
    }

    pub fn start_tls(script: &Arc<Script>, identity: Identity) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script, Some(identity))
    }

    pub fn start_at(at: SocketAddr, script: &Arc<Script>, identity: Option<Identity>) -> Self {
        let listener = StdListener::bind(at).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = oneshot::channel();
        let service =
            control_plane::Service { replica: address.clone(), script: Arc::clone(script) };
        let watcher = operator::Service;
        runtime.spawn(async move {
            let incoming = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
            let mut server = tonic::transport::Server::builder();
            if let Some(identity) = identity {
                server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
            }
            server
                .add_service(ControlPlaneServiceServer::new(service))
                .add_service(OperatorServiceServer::new(watcher))
                .serve_with_incoming_shutdown(incoming, async {
                    let _ = stopped.await;
                })
                .await
                .unwrap();
        });
        Self { address, runtime: Some(runtime), stop: Some(stop) }
    }

    /// Ends the way a replica does on SIGTERM: no new calls, those in flight are finished.
    pub fn stop_gracefully(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub fn kill(mut self) -> SocketAddr {
        let address = self.address.parse().unwrap();
        self.end();
        address
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        self.end();
    }
}

pub fn options() -> ClientOptions {
    ClientOptions::new(Clock::system(), SystemSpawner::current())
}

pub fn client(toys: &[&Toy], options: ClientOptions) -> Client {
    let endpoints: Vec<_> = toys.iter().map(|toy| toy.address.clone()).collect();
    Client::new(&endpoints, options).unwrap()
}
