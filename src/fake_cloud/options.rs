use std::{path::PathBuf, sync::Arc};

use secrecy::SecretString;

use super::{agents::AgentOptions, watcher::Watcher};
use crate::provider::fake::CloudOptions;

/// What it takes to start a fake cloud.
#[derive(Clone, Debug)]
pub struct FakeCloudOptions {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// The ledger; created if it is not there, continued if it is.
    pub ledger: PathBuf,
    /// What callers must present as `authorization: Bearer <token>`; none: nothing is asked of them.
    pub token: Option<SecretString>,
    /// How its machines behave.
    pub cloud: CloudOptions,
    /// What runs on the machines; none: nothing.
    pub agents: Option<AgentOptions>,
    /// Who is told of changes of the machines.
    pub watcher: Option<Arc<dyn Watcher>>,
}

impl FakeCloudOptions {
    /// An open cloud at `listen` without agents.
    pub fn new(listen: impl Into<String>, ledger: impl Into<PathBuf>) -> Self {
        Self {
            listen: listen.into(),
            ledger: ledger.into(),
            token: None,
            cloud: CloudOptions::default(),
            agents: None,
            watcher: None,
        }
    }
}
