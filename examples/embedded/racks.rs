//! A provider of one's own: machines in racks of the house, powered on and off.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use navarch::provider::{
    InstanceType, Machine, MachineState, Order, Provider, ProviderError, Termination, labels,
};

/// Machines in the racks.
const PLACES: usize = 8;

/// The racks. Order and name of a machine are the same: the instance's id, under which it is bought once.
#[derive(Default)]
pub(crate) struct Racks(Mutex<BTreeMap<String, Machine>>);

impl Racks {
    /// The machines that are powered on.
    pub(crate) fn running(&self) -> Vec<Machine> {
        let machines = self.lock();
        machines.values().filter(|machine| machine.state.is_live()).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Machine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Provider for Racks {
    async fn order(&self, order: &Order, _session: u64) -> Result<Machine, ProviderError> {
        let spec = order.spec()?;
        let mut machines = self.lock();
        // The same order again is the same machine: a leader that died may have asked for it before.
        if let Some(known) = machines.get(&order.instance_id) {
            return Ok(known.clone());
        }
        if machines.values().filter(|machine| machine.state.is_live()).count() >= PLACES {
            return Err(ProviderError::Capacity(format!("all {PLACES} places are taken")));
        }
        let machine = Machine {
            id: format!("rack-{}", machines.len() + 1),
            name: spec.name,
            idempotency_key: order.instance_id.clone(),
            instance_type: spec.instance_type,
            region: spec.region,
            zone: spec.zone,
            state: MachineState::Running,
            ip: None,
            ssh_port: None,
            gpu_count: 8,
            gpu_type: "h100".to_owned(),
            price_per_hour: 0.0,
            labels: spec.labels,
            created_at_ms: None,
            terminated_at_ms: None,
        };
        machines.insert(order.instance_id.clone(), machine.clone());
        Ok(machine)
    }

    async fn get(&self, provider_ref: &str) -> Result<Option<Machine>, ProviderError> {
        let machines = self.lock();
        Ok(machines.values().find(|machine| machine.id == provider_ref).cloned())
    }

    async fn list(&self, (name, value): (&str, &str)) -> Result<Vec<Machine>, ProviderError> {
        let machines = self.lock();
        let bears = |machine: &&Machine| machine.labels.get(name).is_some_and(|is| is == value);
        let mut listed: Vec<_> = machines.values().filter(bears).cloned().collect();
        listed.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(listed)
    }

    async fn terminate(&self, provider_ref: &str, _: u64) -> Result<Termination, ProviderError> {
        let mut machines = self.lock();
        let Some(machine) = machines.values_mut().find(|machine| machine.id == provider_ref) else {
            return Ok(Termination::NeverExisted);
        };
        machine.state = MachineState::Terminated;
        Ok(Termination::Gone)
    }

    async fn instance_types(&self) -> Result<Vec<InstanceType>, ProviderError> {
        let live = self.running().len();
        Ok(vec![InstanceType {
            name: "h100-8x".to_owned(),
            gpu_count: 8,
            gpu_type: "h100".to_owned(),
            memory_gb: 2_048,
            vcpus: 192,
            price_per_hour: 0.0,
            regions: Vec::new(),
            available: live < PLACES,
        }])
    }
}

/// The labels with which the agent of `machine` says whose machine it is.
pub(crate) fn agent_labels(machine: &Machine) -> BTreeMap<String, String> {
    let ours = [labels::INSTANCE, labels::POOL];
    let kept = machine.labels.iter().filter(|(name, _)| ours.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}
