use std::{
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use navarch_proto::api::GpuInfo;

/// Where a GPU sits; functions of one device are one GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::agent) struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
}

/// `PCI:0000:65:00`, `0000:65:00.0` and NVML's `00000000:65:00.0` are the same.
impl FromStr for PciAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.strip_prefix("PCI:").unwrap_or(text);
        let mut parts = text.split(':');
        let (domain, bus, device) = (parts.next(), parts.next(), parts.next());
        let device = device.and_then(|text| text.split('.').next());
        let (Some(domain), Some(bus), Some(device), None) = (domain, bus, device, parts.next())
        else {
            return Err(());
        };
        Ok(Self {
            domain: u32::from_str_radix(domain, 16).map_err(drop)?,
            bus: u8::from_str_radix(bus, 16).map_err(drop)?,
            device: u8::from_str_radix(device, 16).map_err(drop)?,
        })
    }
}

/// Which GPU sits where, as far as the driver has ever told this agent: one that fell off the bus is not described
/// any more, and its XIDs are its own still.
#[derive(Debug, Default)]
pub(in crate::agent) struct GpuMap(Mutex<Vec<(PciAddress, i32, String)>>);

impl GpuMap {
    /// Takes over what the driver describes now.
    pub(in crate::agent) fn learn(&self, gpus: &[GpuInfo]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for gpu in gpus {
            let Ok(address) = gpu.pci_bus_id.parse() else { continue };
            known.retain(|(other, _, _)| *other != address);
            known.push((address, gpu.index, gpu.uuid.clone()));
        }
    }

    /// Index and UUID of the GPU at `address`.
    pub(in crate::agent) fn at(&self, address: PciAddress) -> Option<(i32, String)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|(other, _, _)| *other == address);
        found.map(|(_, index, uuid)| (*index, uuid.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it an XID would be counted against no GPU, or against the wrong one.
    #[test]
    fn addresses_are_the_same_however_they_are_written() {
        let map = GpuMap::default();
        let gpu = |index: i32, pci: &str| GpuInfo {
            index,
            uuid: format!("GPU-{index}"),
            pci_bus_id: pci.to_owned(),
            ..GpuInfo::default()
        };
        map.learn(&[gpu(0, "00000000:65:00.0"), gpu(1, "00000000:A1:00.0"), gpu(2, "rubbish")]);
        for (text, index) in [
            ("PCI:0000:65:00", Some(0)),
            ("0000:65:00", Some(0)),
            ("0000:65:00.1", Some(0)),
            ("PCI:0000:a1:00", Some(1)),
            ("PCI:0001:65:00", None),
            ("PCI:0000:65", None),
            ("PCI:0000:65:00:01", None),
            ("", None),
        ] {
            let found = text.parse().ok().and_then(|address| map.at(address));
            assert_eq!(found.map(|(index, _)| index), index, "{text}");
        }
        map.learn(&[gpu(3, "00000000:A1:00.0")]);
        assert_eq!(map.at("0000:a1:00".parse().unwrap()), Some((3, "GPU-3".to_owned())));
        assert!(map.at("0000:65:00".parse().unwrap()).is_some(), "what was known stays known");
    }
}
