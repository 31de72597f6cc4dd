use std::{path::PathBuf, sync::Arc};

use navarch_host::{Network, SystemNetwork};
use secrecy::SecretString;

use super::{Ailments, Beats, Loads};

/// Whom simulated agents call, and what they say of their nodes.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// The replicas: `host:port`, or with a scheme.
    pub replicas: Vec<String>,
    /// Sent as `authorization: Bearer <token>`.
    pub token: Option<SecretString>,
    /// PEM file of the authorities that may sign a replica's certificate; none: the system's.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate of a replica.
    pub insecure: bool,
    /// How replicas are reached.
    pub network: Arc<dyn Network>,
    /// The provider's name that nodes register under, for machines without the label `navarch.provider`.
    pub provider: String,
    /// How busy they say that their GPUs are, by the clock's wall time.
    pub loads: Arc<Loads>,
    /// What they say is wrong with their nodes.
    pub ailments: Arc<Ailments>,
    /// Where it is noted when they beat.
    pub beats: Arc<Beats>,
}

impl AgentOptions {
    /// Agents that call `replicas` without a token, half busy.
    pub fn new(replicas: Vec<String>) -> Self {
        Self {
            replicas,
            token: None,
            ca_file: None,
            insecure: false,
            network: SystemNetwork::shared(),
            provider: "fake".to_owned(),
            loads: Arc::default(),
            ailments: Arc::default(),
            beats: Arc::default(),
        }
    }
}
