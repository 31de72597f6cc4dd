use std::sync::Arc;

use async_trait::async_trait;
use navarch_host::{Clock, Spawner};

use super::{bills::Bills, scenario::CloudPlan};
use crate::provider::{
    InstanceType, Machine, Order, Provider, ProviderError, Termination,
    fake::{AgentBooter, FakeProvider},
};

/// A simulated provider that keeps bills.
pub(super) struct Cloud {
    name: String,
    inner: FakeProvider,
    clock: Clock,
    bills: Arc<Bills>,
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
        let options = plan.options(gpu_count);
        let (clock, spawner) = (around.clock.clone(), Arc::clone(&around.spawner));
        Self {
            name: name.to_owned(),
            inner: FakeProvider::new(options, clock.clone(), spawner, Arc::clone(&around.booter)),
            clock,
            bills: Arc::clone(&around.bills),
        }
    }

    /// Begins or ends a drought, of one type or of all. The end of one of all ends every other.
    pub(super) fn set_drought(&self, instance_type: Option<&str>, dry: bool) {
        self.inner.set_drought(instance_type, dry);
    }

    /// Loses a machine.
    pub(super) fn vanish(&self, id: &str) {
        self.inner.vanish(id);
        self.bills.ended(&self.name, id, self.clock.wall_ms());
    }
}

#[async_trait]
impl Provider for Cloud {
    async fn order(&self, order: &Order, session: u64) -> Result<Machine, ProviderError> {
        let machine = self.inner.order(order, session).await?;
        self.bills.sold(&self.name, &machine, self.clock.wall_ms());
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
        self.inner.instance_types().await
    }
}
