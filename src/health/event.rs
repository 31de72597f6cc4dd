use std::collections::HashMap;

use cel::common::{
    types::{CelBool, CelDouble, CelInt, CelMap, CelMapKey, CelString},
    value::Val,
};
use navarch_proto::api::{HealthEvent, HealthEventType, HealthWatchSystem};

/// The kinds of events that are remembered.
pub(super) const KINDS: [HealthEventType; 9] = [
    HealthEventType::Xid,
    HealthEventType::Thermal,
    HealthEventType::Power,
    HealthEventType::Memory,
    HealthEventType::Nvlink,
    HealthEventType::Pcie,
    HealthEventType::DriverError,
    HealthEventType::EccSbe,
    HealthEventType::EccDbe,
];

/// The fields of `event`.
pub(super) const FIELDS: [&str; 7] =
    ["event_type", "system", "gpu_index", "gpu_uuid", "metrics", "message", "timestamp"];

/// Bytes of a message that rules see; agents may send longer ones.
pub(super) const MAX_MESSAGE: usize = 4 * 1024;

type Fields<'a> = HashMap<CelMapKey<'a>, Box<dyn Val + 'a>>;

/// An event as the map that rules know as `event`; its texts are borrowed.
pub(super) fn to_map(event: &HealthEvent) -> Box<dyn Val + '_> {
    let metrics: Fields<'_> =
        event.metrics.iter().map(|(name, value)| (key(name), typed(value))).collect();
    let fields: [(&str, Box<dyn Val + '_>); 7] = [
        ("event_type", text(type_name(event.event_type()))),
        ("system", text(system_name(event.system()))),
        ("gpu_index", Box::new(CelInt::from(i64::from(event.gpu_index)))),
        ("gpu_uuid", text(&event.gpu_uuid)),
        ("metrics", Box::new(CelMap::from(metrics))),
        ("message", text(&event.message[..event.message.floor_char_boundary(MAX_MESSAGE)])),
        ("timestamp", Box::new(CelString::from(timestamp(event)))),
    ];
    let fields: Fields<'_> = fields.into_iter().map(|(name, value)| (key(name), value)).collect();
    Box::new(CelMap::from(fields))
}

fn key(name: &str) -> CelMapKey<'_> {
    CelMapKey::String(CelString::from(name))
}

fn text(text: &str) -> Box<dyn Val + '_> {
    Box::new(CelString::from(text))
}

/// Metrics travel as text: an integer, else a float, else a boolean as Go spells them, else text.
fn typed(value: &str) -> Box<dyn Val + '_> {
    if let Ok(integer) = value.parse::<i64>() {
        return Box::new(CelInt::from(integer));
    }
    if let Ok(float) = value.parse::<f64>() {
        return Box::new(CelDouble::from(float));
    }
    match value {
        "t" | "T" | "true" | "TRUE" | "True" => Box::new(CelBool::from(true)),
        "f" | "F" | "false" | "FALSE" | "False" => Box::new(CelBool::from(false)),
        other => text(other),
    }
}

/// RFC 3339; the epoch where the event has no time or an impossible one.
fn timestamp(event: &HealthEvent) -> String {
    let given = event.timestamp.unwrap_or_default();
    let time = jiff::Timestamp::new(given.seconds, given.nanos);
    time.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

pub(super) fn type_name(kind: HealthEventType) -> &'static str {
    match kind {
        HealthEventType::Unknown => "unknown",
        HealthEventType::Xid => "xid",
        HealthEventType::Thermal => "thermal",
        HealthEventType::Power => "power",
        HealthEventType::Memory => "memory",
        HealthEventType::Nvlink => "nvlink",
        HealthEventType::Pcie => "pcie",
        HealthEventType::DriverError => "driver_error",
        HealthEventType::EccSbe => "ecc_sbe",
        HealthEventType::EccDbe => "ecc_dbe",
    }
}

fn system_name(system: HealthWatchSystem) -> &'static str {
    match system {
        HealthWatchSystem::Unknown => "DCGM_HEALTH_WATCH_UNKNOWN",
        HealthWatchSystem::Pcie => "DCGM_HEALTH_WATCH_PCIE",
        HealthWatchSystem::Nvlink => "DCGM_HEALTH_WATCH_NVLINK",
        HealthWatchSystem::Pmu => "DCGM_HEALTH_WATCH_PMU",
        HealthWatchSystem::Mcu => "DCGM_HEALTH_WATCH_MCU",
        HealthWatchSystem::Mem => "DCGM_HEALTH_WATCH_MEM",
        HealthWatchSystem::Sm => "DCGM_HEALTH_WATCH_SM",
        HealthWatchSystem::Inforom => "DCGM_HEALTH_WATCH_INFOROM",
        HealthWatchSystem::Thermal => "DCGM_HEALTH_WATCH_THERMAL",
        HealthWatchSystem::Power => "DCGM_HEALTH_WATCH_POWER",
        HealthWatchSystem::Driver => "DCGM_HEALTH_WATCH_DRIVER",
        HealthWatchSystem::Nvswitch => "DCGM_HEALTH_WATCH_NVSWITCH",
    }
}
