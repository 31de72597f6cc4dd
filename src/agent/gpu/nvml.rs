use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicBool, atomic::Ordering,
        mpsc::sync_channel,
    },
    time::Duration,
};

use super::{GpuError, GpuNews, GpuReading, GpuSource, XidWatch};
use navarch_host::{Clock, Spawner};
use navarch_proto::{
    api::{GpuInfo, GpuMetrics, HealthEvent, HealthEventType, HealthWatchSystem},
    timestamp::from_unix_ms,
};
use nvml_wrapper::{
    EventSet, Nvml,
    bitmasks::event::EventTypes,
    cuda_driver_version_major, cuda_driver_version_minor,
    enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor, TemperatureThreshold},
    enums::event::XidError,
    error::NvmlError,
    struct_wrappers::event::EventData,
};

/// How long the watching thread waits before it looks whether it is still wanted, milliseconds.
const WAIT_MS: u32 = 1_000;
/// Counters and temperatures are read once in so many waits.
const READ_EVERY: u64 = 10;

/// The GPUs that NVIDIA's library finds; the library is loaded at run time.
pub struct NvmlGpus {
    nvml: Arc<Nvml>,
    watch: Arc<Watch>,
}

/// What the thread that watches the GPUs shares with the source.
struct Watch {
    clock: Clock,
    news: Mutex<GpuNews>,
    watching: AtomicBool,
    blind: Mutex<String>,
}

impl NvmlGpus {
    /// Loads the library and starts a thread that waits for XID events and reads error counters and temperatures.
    ///
    /// # Errors
    ///
    /// The library is absent, or finds no driver.
    pub fn open(clock: Clock, spawner: &dyn Spawner) -> Result<Self, GpuError> {
        // The name without a number belongs to development packages: a machine that only runs GPUs lacks it.
        let nvml = Nvml::init()
            .or_else(|_| Nvml::builder().lib_path("libnvidia-ml.so.1".as_ref()).init())
            .map_err(|error| failed("load", &error))?;
        let nvml = Arc::new(nvml);
        let watch = Arc::new(Watch {
            clock,
            news: Mutex::new(GpuNews::default()),
            watching: AtomicBool::new(false),
            blind: Mutex::new("the watch has not begun".to_owned()),
        });
        let (watched, shared) = (Arc::clone(&nvml), Arc::downgrade(&watch));
        let body = move || watch_gpus(&watched, &shared);
        if let Err(error) = spawner.thread("gpu watch", Box::new(body)) {
            watch.ended(&format!("its thread did not start: {error}"));
        }
        Ok(Self { nvml, watch })
    }

    fn describe_one(&self, index: u32, driver: &str, cuda: &str) -> Result<GpuInfo, NvmlError> {
        let device = self.nvml.device_by_index(index)?;
        Ok(GpuInfo {
            index: i32::try_from(index).unwrap_or(i32::MAX),
            uuid: device.uuid()?,
            name: device.name()?,
            pci_bus_id: device.pci_info()?.bus_id,
            memory_total: i64::try_from(device.memory_info()?.total).unwrap_or(i64::MAX),
            driver_version: driver.to_owned(),
            cuda_version: cuda.to_owned(),
        })
    }

    fn sample_one(&self, index: u32) -> Result<GpuMetrics, NvmlError> {
        let device = self.nvml.device_by_index(index)?;
        let temperature = device.temperature(TemperatureSensor::Gpu)?;
        // Not every board tells these two (MIG, virtual GPUs): 0 then, while a lost GPU fails above.
        let milliwatts = device.power_usage().unwrap_or(0);
        let utilization = device.utilization_rates().map_or(0, |rates| rates.gpu);
        Ok(GpuMetrics {
            gpu_index: i32::try_from(index).unwrap_or(i32::MAX),
            temperature: i32::try_from(temperature).unwrap_or(i32::MAX),
            power_usage: i32::try_from(milliwatts / 1_000).unwrap_or(i32::MAX),
            utilization_percent: f64::from(utilization),
            memory_used: i64::try_from(device.memory_info()?.used).unwrap_or(i64::MAX),
        })
    }

    fn count(&self) -> Result<u32, GpuError> {
        self.nvml.device_count().map_err(|error| failed("count the GPUs", &error))
    }
}

impl GpuSource for NvmlGpus {
    fn name(&self) -> &'static str {
        "nvml"
    }

    fn may_block(&self) -> bool {
        true
    }

    fn describe(&self) -> Result<Vec<GpuInfo>, GpuError> {
        let driver = self.nvml.sys_driver_version();
        let driver = driver.map_err(|error| failed("read the driver's version", &error))?;
        let cuda = self.nvml.sys_cuda_driver_version().map_or_else(
            |_| String::new(),
            |version| {
                let major = cuda_driver_version_major(version);
                format!("{major}.{}", cuda_driver_version_minor(version))
            },
        );
        (0..self.count()?)
            .map(|index| {
                self.describe_one(index, &driver, &cuda)
                    .map_err(|error| failed(&format!("describe GPU {index}"), &error))
            })
            .collect()
    }

    fn sample(&self) -> Result<Vec<GpuMetrics>, GpuError> {
        (0..self.count()?)
            .map(|index| {
                self.sample_one(index).map_err(|error| failed(&format!("read GPU {index}"), &error))
            })
            .collect()
    }

    fn take_news(&self) -> GpuNews {
        std::mem::take(&mut *self.watch.news())
    }

    fn xid_watch(&self) -> XidWatch {
        if self.watch.watching.load(Ordering::Acquire) {
            return XidWatch::Watching;
        }
        let reason = self.watch.blind.lock().unwrap_or_else(PoisonError::into_inner);
        XidWatch::Blind(reason.clone())
    }
}

impl Watch {
    fn ended(&self, reason: &str) {
        reason.clone_into(&mut self.blind.lock().unwrap_or_else(PoisonError::into_inner));
        self.watching.store(false, Ordering::Release);
    }

    fn news(&self) -> MutexGuard<'_, GpuNews> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for XIDs and reads counters until nobody holds the watch any more.
fn watch_gpus(nvml: &Nvml, shared: &Weak<Watch>) {
    // Nobody sends: waiting for it is a pause that needs no runtime.
    let (_sender, pause) = sync_channel::<()>(0);
    let mut set = match register(nvml) {
        Ok(set) => Some(set),
        Err(reason) => {
            blind(shared, &reason);
            None
        }
    };
    if let (Some(watch), true) = (shared.upgrade(), set.is_some()) {
        watch.watching.store(true, Ordering::Release);
    }
    for round in 0_u64.. {
        let waited = match &set {
            Some(set) => set.wait(WAIT_MS),
            None => {
                let _ = pause.recv_timeout(Duration::from_millis(WAIT_MS.into()));
                Err(NvmlError::Timeout)
            }
        };
        let Some(watch) = shared.upgrade() else {
            return;
        };
        match waited {
            Ok(data) => {
                let event = health_event(&data, watch.clock.wall_ms());
                watch.news().add_event(event);
            }
            Err(NvmlError::Timeout) => {}
            Err(error) => {
                set = None;
                blind(shared, &format!("waiting for XIDs failed: {error}"));
            }
        }
        if round.is_multiple_of(READ_EVERY) {
            let readings = read_gpus(nvml, watch.clock.wall_ms());
            readings.into_iter().for_each(|reading| watch.news().add_reading(reading));
        }
    }
}

fn register(nvml: &Nvml) -> Result<EventSet<'_>, String> {
    let count = nvml.device_count().map_err(|error| error.to_string())?;
    let mut set = nvml.create_event_set().map_err(|error| error.to_string())?;
    for index in 0..count {
        let device = nvml.device_by_index(index).map_err(|error| error.to_string())?;
        set = device
            .register_events(EventTypes::CRITICAL_XID_ERROR, set)
            .map_err(|error| format!("GPU {index} does not tell its XIDs: {error}"))?;
    }
    Ok(set)
}

fn blind(shared: &Weak<Watch>, reason: &str) {
    if let Some(watch) = shared.upgrade() {
        tracing::warn!(reason, "the driver's XID events are not watched");
        watch.ended(reason);
    }
}

/// Counters and temperatures of all GPUs; a GPU that does not answer is the checks' affair.
fn read_gpus(nvml: &Nvml, wall_ms: u64) -> Vec<GpuReading> {
    let mut readings = Vec::new();
    for index in 0..nvml.device_count().unwrap_or(0) {
        let Ok(device) = nvml.device_by_index(index) else { continue };
        let Ok(uuid) = device.uuid() else { continue };
        let errors = |kind| device.total_ecc_errors(kind, EccCounter::Volatile).ok();
        readings.push(GpuReading {
            gpu_index: i32::try_from(index).unwrap_or(i32::MAX),
            gpu_uuid: uuid,
            wall_ms,
            corrected: errors(MemoryError::Corrected),
            uncorrected: errors(MemoryError::Uncorrected),
            temperature: device.temperature(TemperatureSensor::Gpu).ok(),
            slowdown: device.temperature_threshold(TemperatureThreshold::Slowdown).ok(),
        });
    }
    readings
}

fn health_event(data: &EventData<'_>, wall_ms: u64) -> HealthEvent {
    let code = match data.event_data {
        Some(XidError::Value(code)) => code.to_string(),
        _ => "unknown".to_owned(),
    };
    HealthEvent {
        timestamp: Some(from_unix_ms(wall_ms)),
        gpu_index: data
            .device
            .index()
            .ok()
            .and_then(|index| i32::try_from(index).ok())
            .unwrap_or(-1),
        gpu_uuid: data.device.uuid().unwrap_or_default(),
        system: HealthWatchSystem::Driver.into(),
        event_type: HealthEventType::Xid.into(),
        message: format!("XID {code}"),
        metrics: [("xid_code".to_owned(), code)].into(),
        event_id: String::new(),
    }
}

fn failed(what: &str, error: &NvmlError) -> GpuError {
    GpuError(format!("NVML could not {what}: {error}"))
}
