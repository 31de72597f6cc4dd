use std::sync::{Mutex, PoisonError};

use navarch_proto::api::{GpuInfo, GpuMetrics, HealthEvent};

use super::{GpuError, GpuNews, GpuSource, XidWatch};

/// Memory of a fake GPU, bytes: 80 GiB, as an H100 has.
const MEMORY: i64 = 80 << 30;

/// GPUs that exist in figures only. Utilisation wanders, and heat, power and memory follow it.
#[derive(Debug)]
pub struct FakeGpus {
    node_id: String,
    /// Utilisation of each GPU, percent.
    utilization: Mutex<Vec<f64>>,
    news: Mutex<GpuNews>,
}

impl FakeGpus {
    /// `count` GPUs of the node `node_id`, which their UUIDs are made of.
    pub fn new(node_id: &str, count: usize) -> Self {
        Self {
            node_id: node_id.to_owned(),
            utilization: Mutex::new((0..count).map(|_| rand::random_range(20.0..90.0)).collect()),
            news: Mutex::new(GpuNews::default()),
        }
    }

    /// Makes a GPU report trouble with the next report; counted as dropped when too many wait already.
    pub fn inject(&self, event: HealthEvent) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).add_event(event);
    }
}

impl GpuSource for FakeGpus {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn may_block(&self) -> bool {
        false
    }

    fn describe(&self) -> Result<Vec<GpuInfo>, GpuError> {
        let count = self.utilization.lock().unwrap_or_else(PoisonError::into_inner).len();
        let gpus = (0..count).map(|index| GpuInfo {
            index: i32::try_from(index).unwrap_or(i32::MAX),
            uuid: format!("GPU-fake-{}-{index}", self.node_id),
            name: "Fake H100 80GB".to_owned(),
            pci_bus_id: format!("0000:{:02x}:00.0", index + 1),
            memory_total: MEMORY,
            driver_version: "550.54.15".to_owned(),
            cuda_version: "12.4".to_owned(),
        });
        Ok(gpus.collect())
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "all values are far inside their types: percent, degrees, watts, bytes"
    )]
    #[allow(clippy::cast_precision_loss, reason = "the figure is made up")]
    fn sample(&self) -> Result<Vec<GpuMetrics>, GpuError> {
        let mut gpus = self.utilization.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = gpus.iter_mut().enumerate().map(|(index, utilization)| {
            *utilization = (*utilization + rand::random_range(-5.0..5.0)).clamp(0.0, 100.0);
            let share = *utilization / 100.0;
            GpuMetrics {
                gpu_index: i32::try_from(index).unwrap_or(i32::MAX),
                temperature: (35.0 + 40.0 * share) as i32,
                power_usage: (80.0 + 600.0 * share) as i32,
                utilization_percent: *utilization,
                memory_used: (MEMORY as f64 * (0.05 + 0.85 * share)) as i64,
            }
        });
        Ok(samples.collect())
    }

    fn take_news(&self) -> GpuNews {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn xid_watch(&self) -> XidWatch {
        XidWatch::Watching
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a fake node would be judged unhealthy for figures that no GPU has.
    #[test]
    fn figures_stay_plausible() {
        let gpus = FakeGpus::new("n1", 8);
        assert_eq!(gpus.describe().unwrap().len(), 8);
        for _ in 0..1_000 {
            for gpu in gpus.sample().unwrap() {
                assert!((30..85).contains(&gpu.temperature), "{gpu:?}");
                assert!((0.0..=100.0).contains(&gpu.utilization_percent), "{gpu:?}");
                assert!((0..=MEMORY).contains(&gpu.memory_used), "{gpu:?}");
            }
        }
    }
}
