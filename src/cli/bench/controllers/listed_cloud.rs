use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::provider::{InstanceType, Machine, Order, Provider, ProviderError, Termination, labels};

/// A cloud that shows what it has and is asked for nothing else: what a listing costs to fetch is the provider's
/// affair, so each is made before the pass that takes it.
pub(super) struct ListedCloud {
    machines: Vec<Machine>,
    next: Mutex<Vec<Machine>>,
}

impl ListedCloud {
    /// With those machines, by id.
    pub(super) fn new(machines: Vec<Machine>) -> Self {
        Self { machines, next: Mutex::default() }
    }

    /// Makes the listing that is asked for next.
    pub(super) fn prepare(&self) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = self.machines.clone();
    }
}

fn refused<T>(what: &str) -> Result<T, ProviderError> {
    Err(ProviderError::Unreachable(format!("a fleet at rest needs no {what}")))
}

#[async_trait]
impl Provider for ListedCloud {
    async fn order(&self, _: &Order, _: u64) -> Result<Machine, ProviderError> {
        refused("order")
    }

    async fn get(&self, _: &str) -> Result<Option<Machine>, ProviderError> {
        refused("look at a machine")
    }

    async fn list(&self, (name, _): (&str, &str)) -> Result<Vec<Machine>, ProviderError> {
        debug_assert_eq!(name, labels::CLUSTER);
        Ok(std::mem::take(&mut *self.next.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    async fn terminate(&self, _: &str, _: u64) -> Result<Termination, ProviderError> {
        refused("termination")
    }

    async fn instance_types(&self) -> Result<Vec<InstanceType>, ProviderError> {
        refused("list of types")
    }
}
