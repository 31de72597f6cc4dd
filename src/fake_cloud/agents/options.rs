use std::path::PathBuf;

use secrecy::SecretString;

/// Whom simulated agents call, and how busy they say they are.
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
    /// The provider's name that nodes register under, for machines without the label `navarch.provider`.
    pub provider: String,
    /// Mean utilisation of their GPUs, in percent.
    pub gpu_utilization: f64,
}

impl AgentOptions {
    /// Agents that call `replicas` without a token, half busy.
    pub fn new(replicas: Vec<String>) -> Self {
        Self {
            replicas,
            token: None,
            ca_file: None,
            insecure: false,
            provider: "fake".to_owned(),
            gpu_utilization: 50.0,
        }
    }
}
