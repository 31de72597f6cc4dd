use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use navarch_host::{Clock, Spawner, TaskHandle};

use super::booter::{AgentBooter, AgentHandle};
use crate::provider::Machine;

/// Switches simulated machines on and off: an agent runs on each from the end of its boot delay until it is
/// switched off or the host is dropped.
#[derive(Clone)]
pub struct MachineHost {
    clock: Clock,
    spawner: Arc<dyn Spawner>,
    booter: Arc<dyn AgentBooter>,
    slots: Arc<Mutex<Slots>>,
}

#[derive(Default)]
struct Slots {
    /// By machine id.
    machines: HashMap<String, Slot>,
    /// Tells two switchings-on of one machine apart.
    boots: u64,
}

struct Slot {
    boot: u64,
    booting: Option<TaskHandle>,
    agent: Option<AgentHandle>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(task) = &self.booting {
            task.abort();
        }
    }
}

impl MachineHost {
    /// A host of no machines, which boots with `booter`.
    pub fn new(clock: Clock, spawner: Arc<dyn Spawner>, booter: Arc<dyn AgentBooter>) -> Self {
        Self { clock, spawner, booter, slots: Arc::default() }
    }

    /// Boots an agent on `machine` after `delay`, in the place of one that may run there.
    pub fn power_on(&self, machine: Machine, delay: Duration) {
        let mut slots = self.lock();
        slots.boots += 1;
        let boot = slots.boots;
        let id = machine.id.clone();
        let slot = Slot { boot, booting: None, agent: None };
        // Dropping what was there takes no lock of ours.
        drop(slots.machines.insert(id.clone(), slot));
        let host = self.clone();
        let task = self.spawner.spawn("machine-boot", async move {
            host.clock.sleep(delay).await;
            host.boot(boot, &machine);
        });
        if let Some(slot) = slots.machines.get_mut(&id) {
            slot.booting = Some(task);
        }
    }

    fn boot(&self, boot: u64, machine: &Machine) {
        // Not under the lock: the booter is somebody else's code.
        let agent = self.booter.boot(machine);
        let mut slots = self.lock();
        if let Some(slot) = slots.machines.get_mut(&machine.id)
            && slot.boot == boot
        {
            slot.booting = None;
            slot.agent = Some(agent);
        }
    }

    /// Pulls the plug of a machine. Whether one was on.
    pub fn power_off(&self, id: &str) -> bool {
        let slot = self.lock().machines.remove(id);
        slot.is_some()
    }

    /// Whether a machine is on or boots.
    pub fn is_on(&self, id: &str) -> bool {
        self.lock().machines.contains_key(id)
    }

    /// How many machines are on, booting ones included.
    pub fn powered(&self) -> usize {
        self.lock().machines.len()
    }

    /// Pulls every plug.
    pub fn power_off_all(&self) {
        let machines = std::mem::take(&mut self.lock().machines);
        drop(machines);
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
