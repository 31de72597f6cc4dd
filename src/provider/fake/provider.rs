use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use navarch_host::{Clock, Spawner};

use super::{
    answers::{Filter, Terminated},
    booter::AgentBooter,
    cloud::SimulatedCloud,
    host::MachineHost,
    options::CloudOptions,
};
use crate::provider::{
    InstanceType, Machine, MachineState, Order, Provider, ProviderError, Termination,
};

/// Simulated machines in this process, for a group of one.
///
/// They end with the process: with more replicas a failover would lose them all. A machine's id comes from
/// its `InstanceId`, so after a restart the same order brings the same machine back; whoever owns the records
/// asks every live one's order again.
pub struct FakeProvider {
    clock: Clock,
    cloud: Mutex<SimulatedCloud>,
    host: MachineHost,
}

impl FakeProvider {
    /// A cloud without machines; `booter` starts the agent of each.
    pub fn new(
        options: CloudOptions,
        clock: Clock,
        spawner: Arc<dyn Spawner>,
        booter: Arc<dyn AgentBooter>,
    ) -> Self {
        Self {
            host: MachineHost::new(clock.clone(), spawner, booter),
            cloud: Mutex::new(SimulatedCloud::new(options)),
            clock,
        }
    }

    /// How many machines are on, booting ones included.
    pub fn powered(&self) -> usize {
        self.host.powered()
    }

    /// Makes a machine disappear as if it had never been, and its agent with it.
    pub fn vanish(&self, provider_ref: &str) {
        self.cloud().vanish(provider_ref, self.clock.wall_ms());
        self.host.power_off(provider_ref);
    }

    /// Begins or ends a drought, as [`SimulatedCloud::set_drought`].
    pub fn set_drought(&self, instance_type: Option<&str>, dry: bool) {
        self.cloud().set_drought(instance_type, dry);
    }

    fn cloud(&self) -> MutexGuard<'_, SimulatedCloud> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.host.power_off_all();
    }
}

#[async_trait]
impl Provider for FakeProvider {
    async fn order(&self, order: &Order, _session: u64) -> Result<Machine, ProviderError> {
        let now_ms = self.clock.wall_ms();
        let mut cloud = self.cloud();
        let ordered = cloud.order(&order.instance_id, &order.request_body, now_ms)?;
        if ordered.created {
            let up_ms = cloud.running_from_ms(&ordered.machine.id).unwrap_or(now_ms);
            let running = cloud.get(&ordered.machine.id, up_ms);
            let delay = Duration::from_millis(up_ms.saturating_sub(now_ms));
            self.host.power_on(running.unwrap_or_else(|| ordered.machine.clone()), delay);
        }
        Ok(ordered.machine)
    }

    async fn get(&self, provider_ref: &str) -> Result<Option<Machine>, ProviderError> {
        Ok(self.cloud().get(provider_ref, self.clock.wall_ms()))
    }

    async fn list(&self, label: (&str, &str)) -> Result<Vec<Machine>, ProviderError> {
        let filter = Filter {
            labels: vec![(label.0.to_owned(), label.1.to_owned())],
            after: None,
            limit: usize::MAX,
        };
        Ok(self.cloud().list(&filter, self.clock.wall_ms()).machines)
    }

    async fn terminate(
        &self,
        provider_ref: &str,
        _session: u64,
    ) -> Result<Termination, ProviderError> {
        let ended = self.cloud().terminate(provider_ref, self.clock.wall_ms());
        self.host.power_off(provider_ref);
        Ok(match ended {
            Terminated::Now(_) => Termination::Accepted,
            Terminated::Before(machine) if machine.state == MachineState::Terminated => {
                Termination::Gone
            }
            Terminated::Before(_) => Termination::Accepted,
            Terminated::Unknown => Termination::NeverExisted,
        })
    }

    async fn instance_types(&self) -> Result<Vec<InstanceType>, ProviderError> {
        Ok(self.cloud().types())
    }
}

#[cfg(test)]
mod tests {
    use navarch_host::{FakeClock, SystemSpawner};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::provider::{OrderSpec, fake::AgentHandle};

    #[derive(Default)]
    struct Recorder(Mutex<Vec<(String, MachineState, CancellationToken)>>);

    impl AgentBooter for Recorder {
        fn boot(&self, machine: &Machine) -> AgentHandle {
            let stop = CancellationToken::new();
            let entry = (machine.id.clone(), machine.state, stop.clone());
            self.0.lock().unwrap().push(entry);
            AgentHandle::new(stop)
        }
    }

    fn order(id: &str) -> Order {
        let spec =
            OrderSpec { name: id.into(), instance_type: "h100-8x".into(), ..OrderSpec::default() };
        Order::new(id, &spec)
    }

    /// Without it an agent could come up before its machine, or outlive it.
    #[tokio::test(flavor = "current_thread")]
    async fn agents_boot_and_end_with_their_machines() {
        let time = FakeClock::new(1_000_000);
        let booted = Arc::new(Recorder::default());
        let provider = FakeProvider::new(
            CloudOptions::default(),
            Clock::fake(Arc::clone(&time)),
            SystemSpawner::current(),
            Arc::clone(&booted) as Arc<dyn AgentBooter>,
        );
        let kept = provider.order(&order("a"), 7).await.unwrap();
        let given_back = provider.order(&order("b"), 7).await.unwrap();
        assert_eq!(provider.order(&order("a"), 8).await.unwrap(), kept);
        assert_eq!(kept.state, MachineState::Provisioning);
        time.advance(Duration::from_millis(1_999)).await;
        assert_eq!(booted.0.lock().unwrap().len(), 0);
        let ended = provider.terminate(&given_back.id, 7).await.unwrap();
        assert_eq!(ended, Termination::Accepted);
        time.advance(Duration::from_millis(1)).await;
        {
            let booted = booted.0.lock().unwrap();
            let (id, state, stop) = &booted[0];
            assert_eq!((booted.len(), id, *state), (1, &kept.id, MachineState::Running));
            assert!(!stop.is_cancelled());
        }
        time.advance(Duration::from_secs(1)).await;
        let ended = provider.terminate(&given_back.id, 7).await.unwrap();
        assert_eq!(ended, Termination::Gone);
        assert_eq!(provider.terminate("m-0", 7).await.unwrap(), Termination::NeverExisted);
        drop(provider);
        assert!(booted.0.lock().unwrap()[0].2.is_cancelled());
    }
}
