/// All that a strategy may look at. Gathered by the autoscaler, who also decides what is fresh.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolView {
    /// The pool's target as it stands.
    pub target: u32,
    /// Running, pending and provisioning instances.
    pub size: u32,
    /// Running nodes that are healthy and heard.
    pub healthy: u32,
    /// Instances that are on their way: provisioning or not registered yet.
    pub booting: u32,
    /// Replacements that are under way.
    pub replacing: u32,
    /// The pool's own limits.
    pub limits: Limits,
    /// Mean GPU utilisation in percent, if there are fresh figures.
    pub utilization: Option<f64>,
    /// The pool's earlier utilisation, oldest first, one sample a moment for the whole pool.
    pub history: Vec<Sample>,
    /// Jobs that wait, if the workload system tells.
    pub pending_jobs: Option<u32>,
    /// Jobs that wait or run, if the workload system tells.
    pub queue_depth: Option<u32>,
    /// Where those figures come from.
    pub origins: Origins,
    /// How long a new machine takes until it works, in milliseconds.
    pub provisioning_delay_ms: u64,
    /// LogTime, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// Of each figure, for a person to read: who told it and how long ago, or why there is none. Empty: nothing to
/// say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Of the utilisation.
    pub utilization: String,
    /// Of the jobs that wait.
    pub pending_jobs: String,
    /// Of the jobs that wait or run.
    pub queue_depth: String,
}

/// A figure with its origin: `queue depth 70 (pushed 12 s ago)`.
pub(super) fn with_origin(figure: &str, origin: &str) -> String {
    match origin.is_empty() {
        true => figure.to_owned(),
        false => format!("{figure} ({origin})"),
    }
}

/// The pool's utilisation at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// LogTime, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Percent.
    pub utilization: f64,
}

/// Least and most nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Not fewer by our own doing.
    pub min: u32,
    /// Not more.
    pub max: u32,
}

impl Limits {
    /// The number within the limits that is nearest to `nodes`; the maximum wins over the minimum.
    pub fn clamp(self, nodes: u32) -> u32 {
        nodes.max(self.min).min(self.max)
    }
}
