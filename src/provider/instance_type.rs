use serde::{Deserialize, Serialize};

/// A kind of machine that a provider rents out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceType {
    /// The provider's own name of it.
    pub name: String,
    /// GPUs in one machine.
    #[serde(default)]
    pub gpu_count: u32,
    /// The GPU's model, as the provider calls it.
    #[serde(default)]
    pub gpu_type: String,
    /// Main memory in gigabytes.
    #[serde(default)]
    pub memory_gb: u32,
    /// Virtual processors.
    #[serde(default)]
    pub vcpus: u32,
    /// US dollars an hour; 0: not told.
    #[serde(default)]
    pub price_per_hour: f64,
    /// Where it can be rented; empty: the provider does not say.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Whether the provider has one to rent out now.
    #[serde(default = "yes")]
    pub available: bool,
}

fn yes() -> bool {
    true
}
