use navarch_proto::api::{HealthEvent, HealthEventType};

/// How bad an event is taken to be where not all can be kept; the policy, which judges events, is the group's. The
/// table:
///
/// | severity | events |
/// |---|---|
/// | worst | XIDs, uncorrectable memory errors |
/// | bad | heat, power, NVLink, PCIe, driver and memory trouble |
/// | mild | corrected memory errors, and what this agent does not know |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::agent) enum Severity {
    Mild,
    Bad,
    Worst,
}

impl Severity {
    pub(in crate::agent) fn of(event: &HealthEvent) -> Self {
        match event.event_type() {
            HealthEventType::Xid | HealthEventType::EccDbe => Self::Worst,
            HealthEventType::Thermal
            | HealthEventType::Power
            | HealthEventType::Memory
            | HealthEventType::Nvlink
            | HealthEventType::Pcie
            | HealthEventType::DriverError => Self::Bad,
            HealthEventType::EccSbe | HealthEventType::Unknown => Self::Mild,
        }
    }
}
