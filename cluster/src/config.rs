use std::{collections::BTreeSet, net::IpAddr, path::PathBuf, time::Duration};

use crate::{
    log_store::{ENTRY_BYTES_MAX, MemoryDisk},
    replica_error::StartError,
};

/// The most replicas that a group can be formed of: ids above it are for replicas added later.
pub const MAX_INITIAL_REPLICAS: usize = 9;

/// A shorter limit makes a large snapshot start over for ever.
const LEAST_SNAPSHOT_TRANSFER: Duration = Duration::from_secs(30);

/// What one replica must know before it starts; local to it, never in the log.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// The operator's name for this replica, unique in its group.
    pub name: String,
    /// Where log, snapshots and identity lie; one replica only.
    pub data_dir: PathBuf,
    /// Where the peer port listens, `HOST:PORT`.
    pub listen: String,
    /// Where other replicas reach the peer port, `HOST:PORT`.
    pub advertised: String,
    /// Where clients reach this replica, `HOST:PORT`.
    pub public_address: String,
    /// All replicas that form the group, this one among them; empty: it waits to be added to a group.
    pub initial_replicas: Vec<InitialReplica>,
    /// This replica forms the group itself instead of the one whose name comes first.
    pub bootstrap: bool,
    /// How long things may take.
    pub timings: Timings,
    /// Certificate files for mutual TLS; without them every address must be on loopback.
    pub tls: Option<TlsFiles>,
    /// Where the log is kept.
    pub storage: StorageKind,
    /// Bounds on what is held in memory and sent at once.
    pub limits: Limits,
}

impl ReplicaConfig {
    /// A replica on sled with the usual timings and limits, without TLS, that waits to be added to a group.
    pub fn new(
        name: impl Into<String>,
        data_dir: impl Into<PathBuf>,
        address: impl Into<String>,
    ) -> Self {
        let address = address.into();
        Self {
            name: name.into(),
            data_dir: data_dir.into(),
            listen: address.clone(),
            advertised: address,
            public_address: String::new(),
            initial_replicas: Vec::new(),
            bootstrap: false,
            timings: Timings::default(),
            tls: None,
            storage: StorageKind::Sled,
            limits: Limits::default(),
        }
    }

    /// The same, with the list of a lone bootstrapping replica filled in, or what contradicts what.
    pub(crate) fn validated(mut self) -> Result<Self, StartError> {
        if self.bootstrap && self.initial_replicas.is_empty() {
            self.initial_replicas
                .push(InitialReplica { name: self.name.clone(), address: self.advertised.clone() });
        }
        self.check_names()?;
        self.check_addresses()?;
        let limit = self.limits.proposal_bytes;
        if limit > ENTRY_BYTES_MAX {
            return Err(StartError::Config(format!(
                "proposals of {limit} bytes are over the log's limit of {ENTRY_BYTES_MAX}; lower it"
            )));
        }
        let transfer = self.timings.snapshot_transfer;
        if transfer < LEAST_SNAPSHOT_TRANSFER {
            return Err(StartError::Config(format!(
                "a snapshot transfer is given {transfer:?}, the least is {LEAST_SNAPSHOT_TRANSFER:?}; raise it"
            )));
        }
        Ok(self)
    }

    fn check_names(&self) -> Result<(), StartError> {
        let names: BTreeSet<&str> = self.initial_replicas.iter().map(|it| &*it.name).collect();
        let count = self.initial_replicas.len();
        let problem = if self.name.is_empty() {
            "the replica's name is empty; give it one".to_owned()
        } else if names.len() != count {
            "two initial replicas have the same name; names are unique".to_owned()
        } else if count > MAX_INITIAL_REPLICAS {
            format!(
                "{count} initial replicas, at most {MAX_INITIAL_REPLICAS}; form the group of fewer and add the others"
            )
        } else if count > 0 && !names.contains(&*self.name) {
            format!(
                "the initial replicas {names:?} do not name this one, {:?}; correct the list, or leave it out to add this replica to a running group",
                self.name
            )
        } else {
            return Ok(());
        };
        Err(StartError::Config(problem))
    }

    fn check_addresses(&self) -> Result<(), StartError> {
        let others = self.initial_replicas.iter();
        let reached: Vec<&str> = others.map(|it| &*it.address).chain([&*self.advertised]).collect();
        for address in &reached {
            if host_of(address).is_none() {
                return Err(StartError::Config(format!(
                    "peer address {address:?} is not HOST:PORT as other replicas reach it"
                )));
            }
        }
        let own = self.initial_replicas.iter().find(|it| it.name == self.name);
        if let Some(own) = own.filter(|own| own.address != self.advertised) {
            return Err(StartError::Config(format!(
                "the initial replicas say {:?} for {:?}, but it advertises {:?}; make them the same",
                own.address, self.name, self.advertised
            )));
        }
        let exposed = reached.into_iter().chain([&*self.listen]).find(|it| !is_loopback(it));
        match exposed {
            Some(address) if self.tls.is_none() => {
                Err(StartError::PlaintextOffLoopback { address: address.to_owned() })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// One of the replicas that form a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialReplica {
    /// Its name.
    pub name: String,
    /// Where its peer port is reached, `HOST:PORT`.
    pub address: String,
}

/// Where the log is kept.
#[derive(Clone, Debug)]
pub enum StorageKind {
    /// sled in the data directory.
    Sled,
    /// Memory, for simulation: what is on the disk survives the replica, not the process.
    Memory(MemoryDisk),
}

/// How long things may take. The defaults and their reasons: a killed leader is replaced after
/// `election_max` (its lease) plus a random part of `election_min..election_max`, measured at 0.7 s in the
/// median with these values. The lease and `election_min` together are more than ten times the p99 of an append, and a
/// lease outlasts four lost heartbeats.
#[derive(Clone, Debug)]
pub struct Timings {
    /// Between two heartbeats of the leader.
    pub heartbeat: Duration,
    /// Least random wait before a campaign, on top of the lease.
    pub election_min: Duration,
    /// Greatest random wait before a campaign; also the leader's lease.
    pub election_max: Duration,
    /// For one whole snapshot to a replica; at least 30 s, or a large one starts over for ever.
    pub snapshot_transfer: Duration,
    /// How long `bootstrap` waits for all configured replicas to answer before it refuses.
    pub bootstrap_wait: Duration,
    /// For one short call to another replica.
    pub peer_call: Duration,
    /// How long a leader that stops tries to hand over.
    pub hand_over: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(80),
            election_min: Duration::from_millis(200),
            election_max: Duration::from_millis(400),
            snapshot_transfer: Duration::from_secs(60),
            bootstrap_wait: Duration::from_secs(10),
            peer_call: Duration::from_secs(2),
            hand_over: Duration::from_secs(1),
        }
    }
}

/// Bounds on what is held in memory and sent at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries between two snapshots. Each takes about half a second of one core for 130,000 nodes, and a
    /// restart applies as many entries in about a second.
    pub snapshot_every: u64,
    /// Largest proposal, bytes.
    pub proposal_bytes: usize,
    /// Proposals that wait for the proposer; more are refused as overload.
    pub queued_proposals: usize,
    /// Proposals in one batch.
    pub proposal_batch: usize,
    /// Batches of proposals under way at once.
    pub proposal_batches: usize,
    /// How long a batch that follows one under way waits for it and for more proposals to join. Fewer and
    /// larger batches cost less: a disk or a network that takes longer than this for one gets several at once.
    pub proposal_linger: Duration,
    /// Relayed calls under way at once to a leader, or from one follower.
    pub relayed_calls: usize,
    /// Reads that wait for the next round of confirmation.
    pub queued_reads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            snapshot_every: 200_000,
            proposal_bytes: 6 << 20,
            queued_proposals: 8_192,
            proposal_batch: 512,
            proposal_batches: 8,
            proposal_linger: Duration::from_millis(10),
            relayed_calls: 8_192,
            queued_reads: 16_384,
        }
    }
}

/// PEM files for mutual TLS on the peer port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate authority that signed every replica's certificate.
    pub ca: PathBuf,
    /// This replica's certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The host part of `HOST:PORT`, without the brackets of an IPv6 address.
pub(crate) fn host_of(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    (!host.is_empty()).then_some(host)
}

/// Whether `address` (`HOST:PORT`) cannot be reached from another machine.
pub(crate) fn is_loopback(address: &str) -> bool {
    match host_of(address) {
        Some("localhost") => true,
        Some(host) => host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a group could run in clear text over a network because an address looked local.
    #[test]
    fn only_loopback_addresses_pass_as_loopback() {
        for (address, expected) in [
            ("127.0.0.1:7000", true),
            ("127.9.8.7:7000", true),
            ("[::1]:7000", true),
            ("localhost:7000", true),
            ("0.0.0.0:7000", false),
            (":7000", false),
            ("[::]:7000", false),
            ("10.0.0.1:7000", false),
            ("localhost.example.com:7000", false),
            ("127.0.0.1", false),
            ("127.0.0.1:x", false),
        ] {
            assert_eq!(is_loopback(address), expected, "{address}");
        }
    }
}
