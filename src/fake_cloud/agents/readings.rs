use navarch_proto::api;

use super::ailments::Ailment;
use crate::provider::{Machine, labels};

/// Memory of a simulated GPU: 80 GiB.
const GPU_MEMORY: i64 = 80 << 30;

/// What a simulated node says of itself at its registration.
pub(super) fn registration(machine: &Machine, provider: &str) -> api::RegisterNodeRequest {
    let mut node_labels = machine.labels.clone();
    if let Some(pool) = machine.labels.get(labels::POOL) {
        node_labels.insert("pool".to_owned(), pool.clone());
    }
    let provider = machine.labels.get(labels::PROVIDER).map_or(provider, String::as_str);
    let ip = machine.ip.clone().unwrap_or_default();
    let gpus = (0..machine.gpu_count)
        .map(|index| api::GpuInfo {
            index: index.cast_signed(),
            uuid: gpu_uuid(machine, index),
            name: machine.gpu_type.clone(),
            pci_bus_id: format!("0000:{index:02x}:00.0"),
            memory_total: GPU_MEMORY,
            driver_version: "simulated".to_owned(),
            cuda_version: "simulated".to_owned(),
        })
        .collect();
    api::RegisterNodeRequest {
        node_id: machine.id.clone(),
        provider: provider.to_owned(),
        region: machine.region.clone(),
        zone: machine.zone.clone(),
        instance_type: machine.instance_type.clone(),
        gpus,
        metadata: Some(api::NodeMetadata {
            hostname: machine.name.clone(),
            internal_ip: ip.clone(),
            external_ip: ip,
            kernel_version: "simulated".to_owned(),
            labels: node_labels.into_iter().collect(),
        }),
    }
}

fn gpu_uuid(machine: &Machine, index: u32) -> String {
    let digest = blake3::hash(format!("{}/{index}", machine.id).as_bytes());
    format!("GPU-{}", &digest.to_hex()[..32])
}

/// The `beat`th heartbeat: figures that move a little, around the utilisation given.
pub(super) fn heartbeat(machine: &Machine, beat: u64, utilization: f64) -> api::HeartbeatRequest {
    let gpu_metrics = (0..machine.gpu_count)
        .map(|index| {
            let sway = sway(beat + u64::from(index));
            api::GpuMetrics {
                gpu_index: index.cast_signed(),
                temperature: 55,
                power_usage: 400,
                utilization_percent: (utilization + sway).clamp(0.0, 100.0),
                memory_used: GPU_MEMORY / 2,
            }
        })
        .collect();
    api::HeartbeatRequest {
        node_id: machine.id.clone(),
        timestamp: None,
        metrics: Some(api::NodeMetrics {
            cpu_usage_percent: (20.0 + sway(beat)).clamp(0.0, 100.0),
            memory_usage_percent: 40.0,
            gpu_metrics,
        }),
    }
}

/// -4 to 4 percent.
fn sway(step: u64) -> f64 {
    [0.0, 2.0, 4.0, 2.0, 0.0, -2.0, -4.0, -2.0][usize::try_from(step % 8).unwrap_or(0)]
}

/// A report of the checks that were asked for, in which all is well but the ailment.
pub(crate) fn health_report(
    node_id: &str,
    checks: &[String],
    ailment: &Ailment,
) -> api::ReportHealthRequest {
    let failing = ailment.failing_check.as_ref();
    let unasked = failing.filter(|name| !checks.contains(name));
    let result = |name: &String| {
        let healthy = failing != Some(name);
        let status =
            if healthy { api::HealthStatus::Healthy } else { api::HealthStatus::Unhealthy };
        api::HealthCheckResult {
            check_name: name.clone(),
            status: status.into(),
            message: "simulated".to_owned(),
            ..api::HealthCheckResult::default()
        }
    };
    let results = checks.iter().chain(unasked).map(result).collect();
    let events = ailment.xid.map(xid_event).into_iter().collect();
    api::ReportHealthRequest { node_id: node_id.to_owned(), results, events }
}

/// As the agents of real machines tell of an XID.
fn xid_event(code: u32) -> api::HealthEvent {
    api::HealthEvent {
        event_type: api::HealthEventType::Xid.into(),
        metrics: [("xid_code".to_owned(), code.to_string())].into(),
        message: format!("simulated XID {code}"),
        ..api::HealthEvent::default()
    }
}
