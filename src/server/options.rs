use std::path::PathBuf;

use super::{Host, Plugins};
use crate::config::{Config, ReplicaConfig};

/// What one replica is started with.
#[derive(Clone)]
pub struct Options {
    /// The configuration file.
    pub config: Config,
    /// Takes the place of the file's `cluster.data_dir`.
    pub data_dir: Option<PathBuf>,
    /// Form a new group.
    pub bootstrap: bool,
    /// What the embedding program brings along.
    pub plugins: Plugins,
    /// What it stands on; none: this machine.
    pub host: Option<Host>,
}

impl Options {
    /// As the configuration says, with nothing of one's own.
    pub fn new(config: Config) -> Self {
        Self { config, data_dir: None, bootstrap: false, plugins: Plugins::default(), host: None }
    }
}

/// Puts the port that the system chose in the place of a port 0 wherever this replica tells its public address.
pub(super) fn settle_port(config: &mut ReplicaConfig, port: u16) {
    for address in
        [&mut config.address, &mut config.external_address, &mut config.advertise_address]
    {
        if let Some(host) = address.strip_suffix(":0") {
            *address = format!("{host}:{port}");
        }
    }
}
