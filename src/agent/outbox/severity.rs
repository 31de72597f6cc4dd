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
    /// Where the one stands that goes first where there is no room for all: the least severe, and of those the oldest.
    pub(in crate::agent) fn first_to_go(
        oldest_first: impl Iterator<Item = (usize, Self)>,
    ) -> Option<usize> {
        let first = oldest_first.min_by_key(|(index, severity)| (*severity, *index));
        first.map(|(index, _)| index)
    }

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
