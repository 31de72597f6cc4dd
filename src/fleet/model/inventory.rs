//! GPUs and metadata of a node, packed: decoded they take several times the memory, and the GPUs of a machine say the
//! same of themselves again and again.

use navarch_proto::{api::GpuInfo, fleet::NodeInventory};
use prost::{DecodeError, Message as _};

/// Encodes an inventory; what all of its GPUs have in common is written once.
pub(crate) fn pack(mut inventory: NodeInventory) -> Vec<u8> {
    if let [first, others @ ..] = inventory.gpus.as_mut_slice()
        && !others.is_empty()
    {
        let mut common = GpuInfo::default();
        share(first, others, &mut common, |gpu| &mut gpu.name);
        share(first, others, &mut common, |gpu| &mut gpu.memory_total);
        share(first, others, &mut common, |gpu| &mut gpu.driver_version);
        share(first, others, &mut common, |gpu| &mut gpu.cuda_version);
        inventory.common = Some(common);
    }
    inventory.encode_to_vec()
}

/// Moves a field that is the same in all GPUs to the `common` one.
fn share<T: Default + PartialEq>(
    first: &mut GpuInfo,
    others: &mut [GpuInfo],
    common: &mut GpuInfo,
    field: fn(&mut GpuInfo) -> &mut T,
) {
    if others.iter_mut().all(|gpu| field(gpu) == field(first)) {
        *field(common) = std::mem::take(field(first));
        for gpu in others {
            *field(gpu) = T::default();
        }
    }
}

/// Decodes what [`pack`] made.
pub(crate) fn unpack(packed: &[u8]) -> Result<NodeInventory, DecodeError> {
    let mut inventory = NodeInventory::decode(packed)?;
    if let Some(mut common) = inventory.common.take() {
        for gpu in &mut inventory.gpus {
            fill(gpu, &mut common, |gpu| &mut gpu.name);
            fill(gpu, &mut common, |gpu| &mut gpu.memory_total);
            fill(gpu, &mut common, |gpu| &mut gpu.driver_version);
            fill(gpu, &mut common, |gpu| &mut gpu.cuda_version);
        }
    }
    Ok(inventory)
}

/// A field has its value in the common GPU or in each, never in both.
fn fill<T: Clone + Default + PartialEq>(
    gpu: &mut GpuInfo,
    common: &mut GpuInfo,
    field: fn(&mut GpuInfo) -> &mut T,
) {
    let shared = field(common);
    if *shared != T::default() {
        field(gpu).clone_from(shared);
    }
}

#[cfg(test)]
mod tests {
    use navarch_proto::api::NodeMetadata;

    use super::*;

    fn gpu(index: i32, name: &str, memory_total: i64) -> GpuInfo {
        GpuInfo {
            index,
            uuid: format!("GPU-{index}"),
            name: name.to_owned(),
            pci_bus_id: format!("00000000:{index:02x}:00.0"),
            memory_total,
            driver_version: "570.86.15".to_owned(),
            cuda_version: "12.8".to_owned(),
        }
    }

    /// Without it a node would come back with other GPUs than its agent told.
    #[test]
    fn what_is_packed_comes_back() {
        let all_alike = (0..8).map(|index| gpu(index, "NVIDIA H100 80GB HBM3", 80 << 30)).collect();
        let mixed = vec![gpu(0, "H100", 80), gpu(1, "", 80), gpu(2, "A100", 0)];
        let nameless = vec![gpu(0, "", 0), gpu(1, "", 0)];
        for gpus in [vec![], vec![gpu(0, "H100", 1)], all_alike, mixed, nameless] {
            let metadata = Some(NodeMetadata { hostname: "h".to_owned(), ..Default::default() });
            let inventory = NodeInventory { gpus, metadata, common: None };
            assert_eq!(unpack(&pack(inventory.clone())).unwrap(), inventory);
        }
    }

    /// Without it a fleet of 8-GPU machines would take half as much memory again.
    #[test]
    fn gpus_that_are_alike_say_so_once() {
        let gpus: Vec<_> =
            (0..8).map(|index| gpu(index, "NVIDIA H100 80GB HBM3", 80 << 30)).collect();
        let plain = NodeInventory { gpus, ..Default::default() };
        let (plain_bytes, packed) = (plain.encode_to_vec().len(), pack(plain));
        assert!(packed.len() * 10 < plain_bytes * 6, "{} of {plain_bytes}", packed.len());
    }

    /// Without it an older snapshot could not be read.
    #[test]
    fn an_inventory_that_shares_nothing_is_read_as_it_is() {
        let gpus = vec![gpu(0, "H100", 80), gpu(1, "H100", 80)];
        let plain = NodeInventory { gpus, ..Default::default() };
        assert_eq!(unpack(&plain.encode_to_vec()).unwrap(), plain);
    }
}
