use navarch_proto::api::{HealthEvent, HealthEventType as Type, HealthWatchSystem as System};

/// What it is, its type, the watch that saw it, its figures.
type Row = (&'static str, Type, System, &'static [(&'static str, &'static str)]);

const ROWS: [Row; 16] = [
    ("fallen off the bus", Type::Xid, System::Unknown, &[("xid_code", "79")]),
    ("page retirement recorded", Type::Xid, System::Unknown, &[("xid_code", "63")]),
    ("a user program's fault", Type::Xid, System::Unknown, &[("xid_code", "8")]),
    ("an XID without its number", Type::Xid, System::Unknown, &[]),
    ("95 C and more", Type::Thermal, System::Thermal, &[("temperature", "97")]),
    ("85 C and more", Type::Thermal, System::Thermal, &[("temperature", "88")]),
    ("cool", Type::Thermal, System::Thermal, &[("temperature", "60")]),
    ("a power brake", Type::Power, System::Power, &[]),
    ("double-bit errors in memory", Type::Memory, System::Mem, &[("ecc_dbe_count", "1")]),
    ("memory as it should be", Type::Memory, System::Mem, &[("ecc_dbe_count", "0")]),
    ("an NVLink error", Type::Nvlink, System::Nvlink, &[]),
    ("a PCIe replay", Type::Pcie, System::Pcie, &[]),
    ("a driver error", Type::DriverError, System::Driver, &[]),
    ("many single-bit errors", Type::EccSbe, System::Mem, &[("ecc_sbe_count", "101")]),
    ("few single-bit errors", Type::EccSbe, System::Mem, &[("ecc_sbe_count", "3")]),
    ("a double-bit error", Type::EccDbe, System::Mem, &[]),
];

/// An event of every kind, with what it is.
pub(in crate::cli) fn all() -> Vec<(&'static str, HealthEvent)> {
    let event = |(label, kind, system, metrics): Row| {
        let event = HealthEvent {
            event_type: kind.into(),
            system: system.into(),
            metrics: metrics.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            gpu_index: 3,
            gpu_uuid: "GPU-00000000-1111-2222-3333-444444444444".to_owned(),
            message: label.to_owned(),
            timestamp: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
            event_id: String::new(),
        };
        (label, event)
    };
    ROWS.into_iter().map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a kind of event could be left out of what people try their policies on.
    #[test]
    fn there_is_one_of_every_kind() {
        for number in 1..=9 {
            let kind = Type::try_from(number).unwrap();
            assert!(all().iter().any(|(_, event)| event.event_type() == kind), "{kind:?}");
        }
    }
}
