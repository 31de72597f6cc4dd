use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use navarch_host::{Clock, Spawner};

use super::{
    Diagnostic, OutboxBounds,
    gpu::{GpuSource, NoGpus},
};
use crate::client::{Balance, ClientOptions};

/// Who this node is and what its agent may do. [`AgentConfig::new`] fills in the usual values.
#[derive(Clone)]
pub struct AgentConfig {
    /// The provider's own id of the machine, which is how a node meets its instance record.
    pub node_id: String,
    /// Provider that the machine was rented from; may be empty.
    pub provider: String,
    /// Region; may be empty.
    pub region: String,
    /// Zone; may be empty.
    pub zone: String,
    /// Instance type; may be empty.
    pub instance_type: String,
    /// Becomes the label `pool`.
    pub pool: Option<String>,
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
    /// Address under which the node is reached from outside, where there is one.
    pub external_ip: Option<String>,
    /// The GPUs of the node.
    pub gpus: Arc<dyn GpuSource>,
    /// How many GPUs the node should have; fewer fail the `boot` check. None: as many as at the start.
    pub expected_gpus: Option<usize>,
    /// Programs that `run_diagnostic` may start, by the name it uses.
    pub diagnostics: BTreeMap<String, Diagnostic>,
    /// Limit of one diagnostic; 10 min by default.
    pub diagnostic_timeout: Duration,
    /// Where executed commands and health events are remembered over a restart; none: in memory only.
    pub state_dir: Option<PathBuf>,
    /// How many health events are kept while no report gets through.
    pub outbox: OutboxBounds,
    /// Where the kernel log is read for XIDs: `/dev/kmsg`, or a file of such lines. None: it is not.
    pub kernel_log: Option<PathBuf>,
    /// Where the kernel tells its figures: `/proc`.
    pub proc_dir: PathBuf,
}

impl AgentConfig {
    /// A node without GPUs, labels and diagnostics.
    pub fn new(node_id: impl Into<String>) -> Self {
        Self {
            node_id: node_id.into(),
            provider: String::new(),
            region: String::new(),
            zone: String::new(),
            instance_type: String::new(),
            pool: None,
            labels: BTreeMap::new(),
            external_ip: None,
            gpus: Arc::new(NoGpus::default()),
            expected_gpus: None,
            diagnostics: BTreeMap::new(),
            diagnostic_timeout: Duration::from_secs(600),
            state_dir: None,
            outbox: OutboxBounds::default(),
            kernel_log: None,
            proc_dir: PathBuf::from("/proc"),
        }
    }

    /// All labels: `pool` wins over a label of that name.
    pub(super) fn all_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        if let Some(pool) = &self.pool {
            labels.insert("pool".to_owned(), pool.clone());
        }
        labels
    }
}

/// Client options as agents want them: one replica each, few pings, and patience while the group is away.
pub fn client_options(clock: Clock, spawner: Arc<dyn Spawner>) -> ClientOptions {
    ClientOptions {
        balance: Balance::Sticky,
        keepalive: Duration::from_secs(7),
        unreachable_after: None,
        ..ClientOptions::new(clock, spawner)
    }
}
