//! The GPUs of a node.
//!
//! | here | what |
//! |---|---|
//! | [`GpuSource`] (`source`) | what the agent asks of GPUs |
//! | [`NvmlGpus`] | NVIDIA's library, loaded at run time, with its XID events, memory errors and heat |
//! | [`GpuNews`] (`news`), [`GpuReading`] | what they have to tell: events, and readings of counters and temperatures |
//! | `counters` | events of readings: figures that only grow, and heat |
//! | [`FakeGpus`] | plausible figures without hardware |
//! | [`NoGpus`] | none, and why |
//! | `pci` | which GPU sits where |
//! | `probe` | asks a source that may hang from a thread of its own |

mod counters;
mod fake;
mod news;
mod none;
mod nvml;
mod pci;
mod probe;
mod source;

use std::sync::Arc;

use navarch_host::{Clock, Spawner};

pub(super) use counters::Counters;
pub use fake::FakeGpus;
pub use news::{GpuNews, GpuReading};
pub use none::NoGpus;
pub use nvml::NvmlGpus;
pub(super) use pci::{GpuMap, PciAddress};
pub(super) use probe::GpuProbe;
pub use source::{GpuError, GpuSource, XidWatch};

/// The GPUs that NVML finds on this machine, or none with the reason where the library is absent.
pub fn detect(clock: &Clock, spawner: &dyn Spawner) -> Arc<dyn GpuSource> {
    match NvmlGpus::open(clock.clone(), spawner) {
        Ok(gpus) => Arc::new(gpus),
        Err(error) => {
            tracing::info!(%error, "no NVML: this node has no GPUs that the agent can see");
            Arc::new(NoGpus::because(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use navarch_host::SystemSpawner;

    use super::*;

    /// Without it a machine without the library could not run an agent; with it, its GPUs might not be read.
    #[tokio::test]
    async fn what_is_detected_answers() {
        let source = detect(&Clock::system(), &*SystemSpawner::current());
        let described = source.describe().unwrap();
        assert_eq!(source.sample().unwrap().len(), described.len());
        assert_eq!(source.name() == "none", described.is_empty());
    }
}
