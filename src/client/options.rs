use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use navarch_host::{Clock, Network, Spawner, SystemNetwork};
use secrecy::SecretString;

/// How calls are spread over the replicas. Writes go to the leader first either way of
/// [`Balance::EachCall`]; with [`Balance::Sticky`] they follow everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// The next replica for each read, the leader for writes: for few clients with many calls.
    #[default]
    EachCall,
    /// One replica for all calls, drawn by chance and left for a minute and more after it failed: for many clients with few
    /// calls, so that each keeps one connection.
    Sticky,
}

impl Balance {
    /// How long a replica is tried last once it has failed. A client that calls all the time learns soon that it is back;
    /// one that calls every half minute would ask one that is gone first each time.
    pub(super) fn suspicion(self) -> Duration {
        Duration::from_secs(match self {
            Self::EachCall => 1,
            Self::Sticky => 60,
        })
    }
}

/// What all calls of one client share. [`ClientOptions::new`] fills in the usual values.
#[derive(Clone)]
pub struct ClientOptions {
    /// Sent as `authorization: Bearer <token>`.
    pub token: Option<SecretString>,
    /// PEM file of the authorities that may sign a replica's certificate; none: those of the system.
    /// With it, an endpoint without a scheme is `https`.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate of an `https` endpoint. An endpoint without a scheme stays plaintext.
    pub insecure: bool,
    /// Measures deadlines and pauses.
    pub clock: Clock,
    /// Runs one task for each open connection.
    pub spawner: Arc<dyn Spawner>,
    /// How replicas are reached; the operating system's network by default.
    pub network: Arc<dyn Network>,
    /// How calls are spread.
    pub balance: Balance,
    /// HTTP/2 connections to each replica; at least 1, 1 by default. More than one helps a load generator only.
    pub connections_per_replica: usize,
    /// Limit of name lookup, TCP, TLS and HTTP/2 set-up together; 1 s by default.
    pub connect_timeout: Duration,
    /// A connection is pinged when it is new, and with calls in flight whenever it was silent for this long. It is
    /// closed when the answer takes longer than twice that and than four times what a slow one took lately, at most 8 s;
    /// the first one may take longer if the connection before had none. 250 ms by default. Agents use seconds: they are many.
    pub keepalive: Duration,
    /// A call gives up before its deadline once no replica at all could be connected to for this long; 3 s by
    /// default, `None`: the deadline alone counts.
    pub unreachable_after: Option<Duration>,
}

impl ClientOptions {
    /// The usual values: no token, plaintext, one connection a replica.
    pub fn new(clock: Clock, spawner: Arc<dyn Spawner>) -> Self {
        Self {
            token: None,
            ca_file: None,
            insecure: false,
            clock,
            spawner,
            network: SystemNetwork::shared(),
            balance: Balance::default(),
            connections_per_replica: 1,
            connect_timeout: Duration::from_secs(1),
            keepalive: Duration::from_millis(250),
            unreachable_after: Some(Duration::from_secs(3)),
        }
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientOptions")
            .field("token", &self.token.as_ref().map(|_| "[redacted]"))
            .field("ca_file", &self.ca_file)
            .field("insecure", &self.insecure)
            .field("balance", &self.balance)
            .field("connections_per_replica", &self.connections_per_replica)
            .field("connect_timeout", &self.connect_timeout)
            .field("keepalive", &self.keepalive)
            .field("unreachable_after", &self.unreachable_after)
            .finish_non_exhaustive()
    }
}

/// What one call asks for.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// Limit of the whole call, retries included; 30 s by default.
    pub timeout: Duration,
    /// Limit of one try of a call that is not [`PATIENT`](super::Rpc::PATIENT): after it the next replica is
    /// asked under the same request id; 5 s by default. It doubles when all were asked.
    pub attempt_timeout: Duration,
    /// The id under which a retry takes effect once; none: minted for writes.
    pub request_id: Option<String>,
    /// Read what the replica has, without asking the leader how far it should be.
    pub stale: bool,
    /// Ask the leader first although this is a read: it knows more of replicas and control loops.
    pub prefer_leader: bool,
    /// Give up after so many tries, before the limit; any number by default. For clients that are many and have a
    /// pace of their own.
    pub tries: u32,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(5),
            request_id: None,
            stale: false,
            prefer_leader: false,
            tries: u32::MAX,
        }
    }
}

impl CallOptions {
    /// The usual values with this limit of the whole call.
    pub fn within(timeout: Duration) -> Self {
        Self { timeout, ..Self::default() }
    }
}
