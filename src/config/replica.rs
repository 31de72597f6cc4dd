use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    address::{Address, check_url},
    section::Section,
    values::Zero,
};

pub(super) const TIMING_KEYS: [&str; 3] = ["heartbeat", "election_min", "election_max"];
pub(super) const TLS_KEYS: [&str; 3] = ["ca", "cert", "key"];
pub(super) const KEYS: [&str; 9] = [
    "replica",
    "data_dir",
    "peer_address",
    "advertise_peer_address",
    "advertise_address",
    "initial_replicas",
    "timings",
    "snapshot_every",
    "tls",
];

/// Replicas of a new group; more voters only make writes slower.
const MAX_INITIAL: usize = 9;

/// Entries between two snapshots, at least and at most: below it a replica would do little else, above it a
/// restart would apply entries for longer than most wait for it.
const SNAPSHOT_EVERY: RangeInclusive<i64> = 20..=10_000_000;

/// What a configuration file says about the replica that reads it: `cluster.*`, `server.address`,
/// `server.external_address` and `server.tls`. None of it enters the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaConfig {
    /// This replica's name within its group.
    pub name: String,
    /// Folder of its log and snapshots.
    pub data_dir: PathBuf,
    /// Where it listens for clients: `HOST:PORT` or `:PORT`.
    pub address: String,
    /// What agents are told to use: an address or a URL.
    pub external_address: String,
    /// What other replicas tell clients about it: an address or a URL.
    pub advertise_address: String,
    /// Where it listens for the other replicas: `HOST:PORT` or `:PORT`.
    pub peer_address: String,
    /// Where the other replicas reach it: `HOST:PORT`.
    pub advertise_peer_address: String,
    /// All replicas of a new group, or none.
    pub initial_replicas: Vec<InitialReplica>,
    /// How fast it notices that the leader is gone.
    pub timings: Timings,
    /// Entries between two snapshots at least, if the file says so.
    pub snapshot_every: Option<u64>,
    /// Certificates for the peer port; without them it speaks plaintext, on loopback only.
    pub tls: Option<TlsFiles>,
    /// The certificate that clients are shown; without one the public port speaks plaintext.
    pub public_tls: Option<CertificateFiles>,
}

impl ReplicaConfig {
    /// Whether somebody between a client and this replica could read what they say to each other.
    pub fn speaks_in_the_clear(&self) -> bool {
        let loopback = Address::parse(&self.address).is_ok_and(|address| address.is_loopback());
        self.public_tls.is_none() && !loopback
    }
}

/// A replica of a group that is to be formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialReplica {
    /// Its name.
    pub name: String,
    /// Its peer address, `HOST:PORT`.
    pub address: String,
}

/// Raft's clockwork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// How often the leader is heard.
    pub heartbeat: Duration,
    /// Shortest silence after which a replica may campaign.
    pub election_min: Duration,
    /// Longest such silence; also the leader's lease.
    pub election_max: Duration,
}

impl Default for Timings {
    /// With these a leader that is killed is replaced in about 0.7 s.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(80),
            election_min: Duration::from_millis(200),
            election_max: Duration::from_millis(400),
        }
    }
}

/// PEM files for mutual TLS between replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate of the authority that signed every replica's certificate.
    pub ca: PathBuf,
    /// This replica's certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// PEM files for TLS on the public port. Clients show no certificate: their token says who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The replica's certificate, and those between it and the authority that clients know.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Reads the local part of a file that stands in `folder`.
pub(crate) fn read(
    file: &Section<'_>,
    server: Option<&Section<'_>>,
    folder: &Path,
) -> ReplicaConfig {
    let cluster = file.section("cluster", &KEYS);
    let cluster = cluster.as_ref();
    let address = listen(server, "address").unwrap_or_else(|| ":50051".to_owned());
    let external = endpoint(server, "external_address").unwrap_or_else(|| address.clone());
    let advertised = endpoint(cluster, "advertise_address");
    let name = cluster.and_then(|cluster| name_of(cluster, "replica"));
    let name = name.unwrap_or_else(|| "r1".to_owned());
    let initial_replicas = cluster.map(read_initial).unwrap_or_default();
    let peer = listen(cluster, "peer_address").unwrap_or_else(|| "127.0.0.1:50052".to_owned());
    let listed = initial_replicas.iter().find(|replica| replica.name == name);
    let data_dir = cluster.and_then(|cluster| cluster.text("data_dir"));
    let public_tls = server.and_then(|server| read_certificate(server, folder));
    let config = ReplicaConfig {
        advertise_address: with_scheme(
            advertised.unwrap_or_else(|| with_host(&external)),
            public_tls.is_some(),
        ),
        advertise_peer_address: reachable(cluster, "advertise_peer_address")
            .or_else(|| listed.map(|replica| replica.address.clone()))
            .unwrap_or_else(|| with_host(&peer)),
        data_dir: match data_dir.filter(|text| !text.is_empty()) {
            Some(text) => folder.join(text),
            None => PathBuf::from("navarch-data"),
        },
        timings: cluster.map(read_timings).unwrap_or_default(),
        snapshot_every: cluster
            .and_then(|cluster| cluster.integer("snapshot_every", SNAPSHOT_EVERY))
            .and_then(|entries| u64::try_from(entries).ok()),
        tls: cluster.and_then(|cluster| read_tls(cluster, folder)),
        name,
        address,
        external_address: external,
        peer_address: peer,
        initial_replicas,
        public_tls,
    };
    if let Some(cluster) = cluster {
        check(cluster, &config);
    }
    config
}

/// An address without a host means this machine to those who are told of it.
fn with_host(address: &str) -> String {
    match Address::parse(address) {
        Ok(parsed) if parsed.host.is_empty() || parsed.host == "0.0.0.0" => {
            format!("127.0.0.1:{}", parsed.port)
        }
        Ok(parsed) if parsed.host == "::" => format!("[::1]:{}", parsed.port),
        Ok(_) | Err(_) => address.to_owned(),
    }
}

/// Clients that are told of a replica must know that it speaks TLS alone.
fn with_scheme(address: String, tls: bool) -> String {
    if tls && !address.contains("://") { format!("https://{address}") } else { address }
}

fn listen(section: Option<&Section<'_>>, key: &str) -> Option<String> {
    let section = section?;
    let text = section.text(key).filter(|text| !text.is_empty())?;
    if let Err(message) = Address::parse(&text) {
        section.problem(key, message);
    }
    Some(text)
}

fn reachable(section: Option<&Section<'_>>, key: &str) -> Option<String> {
    let text = listen(section, key)?;
    if Address::parse(&text).is_ok_and(|address| !address.is_reachable()) {
        let message = format!("`{text}` reaches nobody: name one host and one port");
        section?.problem(key, message);
    }
    Some(text)
}

/// `HOST:PORT`, `:PORT` or an HTTP URL.
fn endpoint(section: Option<&Section<'_>>, key: &str) -> Option<String> {
    let section = section?;
    let text = section.text(key).filter(|text| !text.is_empty())?;
    let checked = match text.contains("://") {
        true => check_url(&text),
        false => Address::parse(&text).map(drop),
    };
    if let Err(message) = checked {
        section.problem(key, message);
    }
    Some(text)
}

fn name_of(section: &Section<'_>, key: &str) -> Option<String> {
    let name = section.required_text(key, "r1")?;
    let named = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    if name.len() > 63 || !name.chars().all(named) {
        let message = "a replica's name has 1 to 63 letters, digits, `-`, `_` and `.`";
        section.problem(key, message);
    }
    Some(name)
}

fn read_initial(cluster: &Section<'_>) -> Vec<InitialReplica> {
    const KEY: &str = "initial_replicas";
    let mut replicas: Vec<InitialReplica> = Vec::new();
    for item in cluster.sections(KEY, &["name", "address"]) {
        let name = name_of(&item, "name");
        if !item.has("address") {
            item.missing("address", "10.0.0.1:50052");
        }
        let Some((name, address)) = name.zip(reachable(Some(&item), "address")) else {
            continue;
        };
        if replicas.iter().any(|other| other.name == name) {
            item.problem("name", format!("`{name}` is listed twice"));
        }
        if replicas.iter().any(|other| other.address == address) {
            item.problem("address", format!("`{address}` is listed twice"));
        }
        replicas.push(InitialReplica { name, address });
    }
    if replicas.len() > MAX_INITIAL {
        let count = replicas.len();
        cluster.problem(
            KEY,
            format!("{count} replicas, and at most {MAX_INITIAL} are allowed; 3 or 5 are usual"),
        );
    }
    replicas
}

fn read_timings(cluster: &Section<'_>) -> Timings {
    let mut timings = Timings::default();
    let Some(block) = cluster.section("timings", &TIMING_KEYS) else {
        return timings;
    };
    let read = |key, default| {
        let millis = block.duration_ms(key, Zero::Refused);
        millis.map_or(default, Duration::from_millis)
    };
    timings.heartbeat = read("heartbeat", timings.heartbeat);
    timings.election_min = read("election_min", timings.election_min);
    timings.election_max = read("election_max", timings.election_max);
    if timings.election_min < 2 * timings.heartbeat {
        block.problem("election_min", "must be at least twice `heartbeat`; three times is usual");
    }
    if timings.election_max <= timings.election_min {
        block.problem("election_max", "must be longer than `election_min`; twice as long is usual");
    }
    timings
}

fn read_tls(cluster: &Section<'_>, folder: &Path) -> Option<TlsFiles> {
    let block = cluster.section("tls", &TLS_KEYS)?;
    let file = |key, example| block.required_text(key, example).map(|path| folder.join(path));
    let (ca, cert) = (file("ca", "ca.pem"), file("cert", "r1.pem"));
    let key = file("key", "r1.key");
    Some(TlsFiles { ca: ca?, cert: cert?, key: key? })
}

fn read_certificate(server: &Section<'_>, folder: &Path) -> Option<CertificateFiles> {
    let block = server.section("tls", &["cert", "key"])?;
    let file = |key, example| block.required_text(key, example).map(|path| folder.join(path));
    let (cert, key) = (file("cert", "r1.pem"), file("key", "r1-key.pem"));
    Some(CertificateFiles { cert: cert?, key: key? })
}

fn check(cluster: &Section<'_>, config: &ReplicaConfig) {
    let listed = config.initial_replicas.iter().find(|replica| replica.name == config.name);
    if let Some(listed) = listed.filter(|_| cluster.has("advertise_peer_address"))
        && listed.address != config.advertise_peer_address
    {
        let message = format!(
            "differs from `{}`, which `initial_replicas` says of {}",
            listed.address, listed.name
        );
        cluster.problem("advertise_peer_address", message);
    }
    if cluster.has("tls") {
        return;
    }
    let others =
        config.initial_replicas.iter().map(|replica| ("initial_replicas", &replica.address));
    let own = [
        ("peer_address", &config.peer_address),
        ("advertise_peer_address", &config.advertise_peer_address),
    ];
    let open = own.into_iter().chain(others).find(|(key, address)| {
        let parsed = Address::parse(address);
        cluster.has(key) && parsed.is_ok_and(|address| !address.is_loopback())
    });
    if let Some((key, address)) = open {
        let message = format!(
            "`{address}` is not on loopback, so the peer port needs certificates: \
             add `tls: {{ca, cert, key}}` (`navarch tls init` makes them)"
        );
        cluster.problem(key, message);
    }
}
