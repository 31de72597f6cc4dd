use std::{collections::BTreeMap, time::Duration};

use crate::provider::{InstanceType, catalogue};

/// How a simulated cloud behaves.
#[derive(Clone, Debug)]
pub struct CloudOptions {
    /// From the purchase to `running`.
    pub boot_delay: Duration,
    /// From the termination to `terminated`.
    pub shutdown_delay: Duration,
    /// How many machines of a type can be live at once; types that are not named: without limit.
    pub capacity: BTreeMap<String, u32>,
    /// How many machines can be live at once in all; one more is `quota_exceeded`.
    pub quota: usize,
    /// What can be rented, with prices.
    pub types: Vec<InstanceType>,
    /// Whether only `types` can be rented. If not, any other name is a machine with `default_gpu_count` GPUs.
    pub known_types_only: bool,
    /// GPUs of a type that is not in `types`.
    pub default_gpu_count: u32,
}

impl Default for CloudOptions {
    fn default() -> Self {
        Self {
            boot_delay: Duration::from_secs(2),
            shutdown_delay: Duration::from_secs(1),
            capacity: BTreeMap::new(),
            quota: 200_000,
            types: abstract_types(),
            known_types_only: false,
            default_gpu_count: 8,
        }
    }
}

/// The abstract types of the catalogue at made-up prices: 2 dollars an hour and GPU.
fn abstract_types() -> Vec<InstanceType> {
    catalogue::ABSTRACT_TYPES
        .iter()
        .map(|known| InstanceType {
            name: known.name.to_owned(),
            gpu_count: known.gpu_count,
            gpu_type: known.gpu_type.to_owned(),
            memory_gb: 128 * known.gpu_count,
            vcpus: 16 * known.gpu_count,
            price_per_hour: 2.0 * f64::from(known.gpu_count),
            regions: Vec::new(),
            available: true,
        })
        .collect()
}
