use std::path::PathBuf;

use crate::shim::Shim;

/// A group that is to be started.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    /// The `navarch` binary.
    pub program: PathBuf,
    /// Where everything lies, on the disk that is to be tried; none: a temporary directory, which goes with
    /// the group unless a test fails.
    pub directory: Option<PathBuf>,
    /// Replicas of the new group.
    pub replicas: usize,
    /// What the fleet is to be.
    pub fleet: FleetFile,
    /// Arguments of a fake cloud, which is started with `Some`, beside those that every one has.
    pub cloud: Option<Vec<String>>,
    /// Environment variables of the replicas.
    pub environment: Vec<(String, String)>,
    /// Whether all calls of and to replicas go through proxies, which can cut and slow each direction of each pair.
    pub linked: bool,
    /// What stands between each replica and its disk and clock, if anything does.
    pub shim: Option<Shim>,
}

impl GroupOptions {
    /// Three replicas without pools.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            directory: None,
            replicas: 3,
            fleet: FleetFile::quiet(),
            cloud: None,
            environment: Vec::new(),
            linked: false,
            shim: None,
        }
    }
}

/// The part of the configuration files that all replicas share.
#[derive(Clone, Debug)]
pub struct FleetFile {
    /// Lines under `server:`, without their margin.
    pub server: Vec<String>,
    /// Further sections; `{cloud}` stands for the fake cloud's `host:port`.
    pub sections: String,
}

impl FleetFile {
    /// No pools, no node is missed within the hours of a run, and there is room for all that clients register:
    /// nothing enters the log but what they write.
    pub fn quiet() -> Self {
        let server = ["heartbeat_interval: 24h", "max_registered_nodes: 10000000"];
        Self { server: server.map(str::to_owned).to_vec(), sections: String::new() }
    }
}
