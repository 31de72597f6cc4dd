use std::{fmt, path::PathBuf, sync::Arc};

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::client::ClientOptions;

/// The group that a scenario is played against, and what may be done to it.
#[derive(Clone)]
pub struct LiveOptions {
    /// Its replicas: `host:port`, or with a scheme. Operators and agents call them.
    pub replicas: Vec<String>,
    /// How operators call them; agents do it alike, with a token of their own.
    pub client: ClientOptions,
    /// What agents send as `authorization: Bearer <token>`.
    pub agent_token: Option<SecretString>,
    /// The host of this machine under which the replicas reach the fake clouds, which listen on it.
    pub cloud_host: String,
    /// Where the fake clouds' ledgers lie.
    pub directory: PathBuf,
    /// Replace a configuration that the group has, unless it has machines that are not simulated.
    pub force: bool,
    /// Whether the group ends with the run, so that nothing need be taken back.
    pub ends_with_run: bool,
    /// Ends the run early.
    pub stop: CancellationToken,
    /// Is told what goes on, in one line each.
    pub news: Arc<dyn Fn(&str) + Send + Sync>,
}

impl LiveOptions {
    pub(super) fn tell(&self, line: &str) {
        (self.news)(line);
    }
}

impl fmt::Debug for LiveOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LiveOptions")
            .field("replicas", &self.replicas)
            .field("client", &self.client)
            .field("cloud_host", &self.cloud_host)
            .field("directory", &self.directory)
            .field("force", &self.force)
            .field("ends_with_run", &self.ends_with_run)
            .finish_non_exhaustive()
    }
}
