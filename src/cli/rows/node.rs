use navarch_proto::api::{DecidingEvent, GpuInfo, HealthStatus, NodeInfo, NodeStatus};

use super::labels;
use crate::cli::{
    choices::short,
    output::{Cell, Column, Record, Tone, age},
};

impl Record for NodeInfo {
    const MESSAGE: &'static str = "navarch.NodeInfo";
    const COLUMNS: &'static [Column] = &[
        Column::always("ID"),
        Column::always("Status"),
        Column::always("Health"),
        Column::always("Pool"),
        Column::always("Provider"),
        Column::always("Region"),
        Column::wide("Zone"),
        Column::always("Instance type"),
        Column::always("GPUs"),
        Column::always("Heartbeat"),
        Column::wide("Registered"),
        Column::wide("Instance"),
        Column::wide("Hostname"),
        Column::wide("Labels"),
        Column::wide("Reason"),
    ];

    fn name(&self) -> String {
        self.node_id.clone()
    }

    fn cells(&self, now_ms: u64) -> Vec<Cell> {
        let metadata = self.metadata.clone().unwrap_or_default();
        vec![
            self.node_id.as_str().into(),
            status(self),
            health(self.health_status()),
            self.pool.as_str().into(),
            self.provider.as_str().into(),
            self.region.as_str().into(),
            self.zone.as_str().into(),
            self.instance_type.as_str().into(),
            self.gpus.len().to_string().into(),
            age::age(self.last_heartbeat.as_ref(), now_ms).into(),
            age::age(self.registered_at.as_ref(), now_ms).into(),
            self.instance_id.as_str().into(),
            metadata.hostname.into(),
            labels(&metadata.labels).into(),
            self.reason.as_str().into(),
        ]
    }

    fn details(&self, now_ms: u64) -> Vec<(&'static str, Cell)> {
        let metadata = self.metadata.clone().unwrap_or_default();
        let mut pairs: Vec<_> = Self::COLUMNS
            .iter()
            .map(|column| column.header)
            .zip(self.cells(now_ms))
            .filter(|(header, _)| *header != "GPUs")
            .collect();
        pairs.extend([
            ("Internal IP", metadata.internal_ip.into()),
            ("External IP", metadata.external_ip.into()),
            ("Kernel", metadata.kernel_version.into()),
            ("Incarnation", self.incarnation.to_string().into()),
            ("Revision", self.revision.to_string().into()),
            ("GPUs", self.gpus.len().to_string().into()),
        ]);
        if !self.health_rule.is_empty() {
            pairs.push(("Decided by", self.health_rule.as_str().into()));
        }
        if !self.health_also_found_by.is_empty() {
            pairs.push(("Also found by", self.health_also_found_by.join(", ").into()));
        }
        pairs.extend(self.health_event.as_ref().map(|event| ("Event", event_line(event).into())));
        pairs.extend(self.gpus.iter().map(|gpu| ("GPU", gpu_line(gpu).into())));
        pairs
    }
}

fn status(node: &NodeInfo) -> Cell {
    let name = short(node.status().as_str_name(), "NODE_STATUS");
    let tone = match node.status() {
        NodeStatus::Active => Tone::Good,
        NodeStatus::Cordoned | NodeStatus::Draining => Tone::Doubtful,
        NodeStatus::Unhealthy => Tone::Bad,
        NodeStatus::Terminated | NodeStatus::Unknown => Tone::Plain,
    };
    if node.lost {
        return Cell::toned(format!("{name} (lost)"), tone);
    }
    Cell::toned(name, tone)
}

fn health(status: HealthStatus) -> Cell {
    let tone = match status {
        HealthStatus::Healthy => Tone::Good,
        HealthStatus::Degraded => Tone::Doubtful,
        HealthStatus::Unhealthy => Tone::Bad,
        HealthStatus::Unknown => Tone::Plain,
    };
    Cell::toned(short(status.as_str_name(), "HEALTH_STATUS"), tone)
}

/// `xid 79 of GPU 3 (GPU-1), reported 2026-01-01T00:00:00Z: fallen off the bus`
fn event_line(event: &DecidingEvent) -> String {
    let kind = short(event.event_type().as_str_name(), "HEALTH_EVENT_TYPE");
    let code = if event.code > 0 { format!(" {}", event.code) } else { String::new() };
    let uuid = match event.gpu_uuid.as_str() {
        "" => String::new(),
        uuid => format!(" ({uuid})"),
    };
    let at = event.reported_at.map(|at| format!(", reported {at}")).unwrap_or_default();
    let message = match event.message.as_str() {
        "" => String::new(),
        message => format!(": {message}"),
    };
    format!("{kind}{code} of GPU {}{uuid}{at}{message}", event.gpu_index)
}

fn gpu_line(gpu: &GpuInfo) -> String {
    const GIB: i64 = 1 << 30;
    format!(
        "{} {} {} GiB {} {} driver {}",
        gpu.index,
        gpu.name,
        gpu.memory_total / GIB,
        gpu.uuid,
        gpu.pci_bus_id,
        gpu.driver_version
    )
}
