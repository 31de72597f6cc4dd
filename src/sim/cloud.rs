use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use navarch_host::{Clock, Spawner};

use super::{bills::Bills, scenario::CloudPlan};
use crate::provider::{
    InstanceType, Machine, Order, OrderSpec, Provider, ProviderError, Termination,
    fake::{AgentBooter, CloudOptions, FakeProvider},
};

/// A simulated provider that keeps bills, and that can run dry.
pub(super) struct Cloud {
    name: String,
    inner: FakeProvider,
    clock: Clock,
    bills: Arc<Bills>,
    droughts: Mutex<Droughts>,
    /// Orders that were carried out: asked again, they are answered in a drought as well.
    carried_out: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
struct Droughts {
    all: bool,
    types: BTreeSet<String>,
}

impl Droughts {
    fn covers(&self, instance_type: &str) -> bool {
        self.all || self.types.contains(instance_type)
    }
}

/// What clouds of one scenario share.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) spawner: Arc<dyn Spawner>,
    pub(super) booter: Arc<dyn AgentBooter>,
    pub(super) bills: Arc<Bills>,
}

impl Cloud {
    /// A cloud with no machines yet, of which one without a known type has `gpu_count` GPUs; 0: the default.
    pub(super) fn new(name: &str, plan: &CloudPlan, gpu_count: u32, around: &Surroundings) -> Self {
        let mut options = CloudOptions {
            boot_delay: plan.boot_delay,
            shutdown_delay: plan.shutdown_delay,
            capacity: plan.capacity.clone(),
            ..CloudOptions::default()
        };
        if gpu_count > 0 {
            options.default_gpu_count = gpu_count;
        }
        let (clock, spawner) = (around.clock.clone(), Arc::clone(&around.spawner));
        Self {
            name: name.to_owned(),
            inner: FakeProvider::new(options, clock.clone(), spawner, Arc::clone(&around.booter)),
            clock,
            bills: Arc::clone(&around.bills),
            droughts: Mutex::default(),
            carried_out: Mutex::default(),
        }
    }

    /// Begins or ends a drought, of one type or of all. The end of one of all ends every other.
    pub(super) fn set_drought(&self, instance_type: Option<&str>, dry: bool) {
        let mut droughts = self.droughts();
        match (instance_type, dry) {
            (None, true) => droughts.all = true,
            (None, false) => *droughts = Droughts::default(),
            (Some(name), true) => {
                droughts.types.insert(name.to_owned());
            }
            (Some(name), false) => {
                droughts.types.remove(name);
            }
        }
    }

    /// Loses a machine.
    pub(super) fn vanish(&self, id: &str) {
        self.inner.vanish(id);
        self.bills.ended(&self.name, id, self.clock.wall_ms());
    }

    fn droughts(&self) -> MutexGuard<'_, Droughts> {
        self.droughts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, order: &Order) -> Result<(), ProviderError> {
        let carried_out = self.carried_out.lock().unwrap_or_else(PoisonError::into_inner);
        if carried_out.contains(&order.instance_id) {
            return Ok(());
        }
        let spec = OrderSpec::from_request_body(&order.request_body)?;
        if self.droughts().covers(&spec.instance_type) {
            let message = format!("{} has no {:?} at present", self.name, spec.instance_type);
            return Err(ProviderError::Capacity(message));
        }
        Ok(())
    }
}

#[async_trait]
impl Provider for Cloud {
    async fn order(&self, order: &Order, session: u64) -> Result<Machine, ProviderError> {
        self.refuse(order)?;
        let machine = self.inner.order(order, session).await?;
        self.bills.sold(&self.name, &machine, self.clock.wall_ms());
        let mut carried_out = self.carried_out.lock().unwrap_or_else(PoisonError::into_inner);
        carried_out.insert(order.instance_id.clone());
        Ok(machine)
    }

    async fn get(&self, provider_ref: &str) -> Result<Option<Machine>, ProviderError> {
        self.inner.get(provider_ref).await
    }

    async fn list(&self, label: (&str, &str)) -> Result<Vec<Machine>, ProviderError> {
        self.inner.list(label).await
    }

    async fn terminate(
        &self,
        provider_ref: &str,
        session: u64,
    ) -> Result<Termination, ProviderError> {
        let answer = self.inner.terminate(provider_ref, session).await?;
        self.bills.ended(&self.name, provider_ref, self.clock.wall_ms());
        Ok(answer)
    }

    async fn instance_types(&self) -> Result<Vec<InstanceType>, ProviderError> {
        let types = self.inner.instance_types().await?.into_iter();
        let droughts = self.droughts();
        let available = |one: &InstanceType| one.available && !droughts.covers(&one.name);
        Ok(types.map(|one| InstanceType { available: available(&one), ..one }).collect())
    }
}
