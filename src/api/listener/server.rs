use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use navarch_host::{Clock, Network, Port, Spawner, Stream};
use tokio::{net::lookup_host, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{ListenError, ListenerConfig, connection::Connections, worker::Worker};
use crate::api::connect::Bridge;

/// The pause after an accept that failed for want of resources, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Refused connections are told in the log this often at most.
const REFUSAL_NOTICE: Duration = Duration::from_secs(10);

/// An open port that nobody answers yet.
#[derive(Debug)]
pub struct Listener {
    port: Port,
    address: SocketAddr,
    config: ListenerConfig,
    counts: Arc<ListenerCounts>,
}

/// What a listener has seen since it was opened.
#[derive(Debug)]
pub struct ListenerCounts {
    accepted: AtomicU64,
    refused: AtomicU64,
    places: Arc<Semaphore>,
    most: usize,
}

impl ListenerCounts {
    /// Connections accepted and served.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }

    /// Connections closed at once because there were too many.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Listener {
    /// Opens the port.
    ///
    /// # Errors
    ///
    /// An address that does not resolve or is not this machine's, or a port in use.
    pub async fn bind(network: &dyn Network, config: ListenerConfig) -> Result<Self, ListenError> {
        let named = &config.address;
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in resolve(named).await? {
            match open(network, address).await {
                Ok((port, address)) => {
                    let most = most_places(&config);
                    let counts = ListenerCounts {
                        accepted: AtomicU64::new(0),
                        refused: AtomicU64::new(0),
                        places: Arc::new(Semaphore::new(most)),
                        most,
                    };
                    return Ok(Self { port, address, config, counts: Arc::new(counts) });
                }
                Err(error) => {
                    let in_use = error.kind() == io::ErrorKind::AddrInUse;
                    failure = error;
                    if in_use {
                        break;
                    }
                }
            }
        }
        Err(ListenError::bind(named, failure))
    }

    /// The address that it listens on, with the real port where the configured one is 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counters of connections, for metrics.
    pub fn counts(&self) -> Arc<ListenerCounts> {
        Arc::clone(&self.counts)
    }

    /// Serves until the bridge's token is cancelled, then closes the port, lets calls in progress end for at
    /// most [`ListenerConfig::drain`], and cuts off the rest. Connections are shared out over `runtimes`.
    pub async fn serve(self, bridge: Bridge, clock: Clock, runtimes: Vec<Arc<dyn Spawner>>) {
        let Self { port, address, config, counts } = self;
        let stopping = bridge.stopping().clone();
        let drain = config.drain;
        let worker = |spawner: Arc<dyn Spawner>| {
            let (bridge, config) = (bridge.clone(), config.clone());
            let connections = Connections::new(bridge, config, clock.clone(), Arc::clone(&spawner));
            Arc::new(Worker::new(connections, spawner))
        };
        let acceptor = Acceptor {
            workers: runtimes.into_iter().map(worker).collect(),
            counts: Arc::clone(&counts),
            cut_off: CancellationToken::new(),
        };
        info!(%address, "serving");
        tokio::select! {
            () = acceptor.accept(&port, &clock) => {}
            () = stopping.cancelled() => {}
        }
        drop(port);
        let most = u32::try_from(counts.most).unwrap_or(u32::MAX);
        let ended = clock.timeout(drain, counts.places.acquire_many(most)).await;
        if ended.is_err() {
            let left = counts.open();
            warn!(%address, left, "cutting off connections that did not end in time");
            acceptor.cut_off.cancel();
        }
    }
}

struct Acceptor {
    workers: Vec<Arc<Worker>>,
    counts: Arc<ListenerCounts>,
    cut_off: CancellationToken,
}

impl Acceptor {
    async fn accept(&self, port: &Port, clock: &Clock) {
        let mut next_notice = clock.now();
        loop {
            match port.accept().await {
                Ok((stream, peer)) => {
                    if !self.admit(stream) && clock.now() >= next_notice {
                        let refused = self.counts.refused();
                        warn!(%peer, refused, "too many connections; raise the limit or add replicas");
                        next_notice = clock.now() + REFUSAL_NOTICE;
                    }
                }
                // The client was gone again before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    warn!(%error, "cannot accept connections; raise the limit of open files (ulimit -n)");
                    clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves `stream`, or closes it if there is no place for it.
    fn admit(&self, stream: Stream) -> bool {
        let Ok(place) = Arc::clone(&self.counts.places).try_acquire_owned() else {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        self.counts.accepted.fetch_add(1, Ordering::Relaxed);
        let Some(worker) = self.workers.iter().min_by_key(|worker| worker.open()) else {
            return false;
        };
        if let Err(error) = worker.take(stream, place, self.cut_off.clone()) {
            debug!(%error, "a connection could not be served");
        }
        true
    }
}

/// A bound that the semaphore and its `acquire_many` can count to.
fn most_places(config: &ListenerConfig) -> usize {
    let countable = usize::try_from(u32::MAX >> 3).unwrap_or(Semaphore::MAX_PERMITS);
    config.max_connections.clamp(1, countable.min(Semaphore::MAX_PERMITS))
}

/// The addresses that `named` stands for, in the order of trial.
async fn resolve(named: &str) -> Result<Vec<SocketAddr>, ListenError> {
    let unusable = |source| ListenError::Address { address: named.to_owned(), source };
    if let Some(port) = named.strip_prefix(':') {
        let port = port
            .parse()
            .map_err(|error| unusable(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        // The first takes IPv4 as well; the second is for machines without IPv6.
        return Ok(vec![
            (Ipv6Addr::UNSPECIFIED, port).into(),
            (Ipv4Addr::UNSPECIFIED, port).into(),
        ]);
    }
    Ok(lookup_host(named).await.map_err(unusable)?.collect())
}

async fn open(network: &dyn Network, address: SocketAddr) -> io::Result<(Port, SocketAddr)> {
    let port = network.listen(address).await?;
    let address = port.address()?;
    Ok((port, address))
}
