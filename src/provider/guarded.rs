use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_host::{Clock, guarded};

use super::{InstanceType, Machine, Order, Provider, ProviderError, Termination};

/// How long a call may take.
const LONGEST_CALL: Duration = Duration::from_secs(60);

/// A provider of the program that embeds the control plane, of which nothing is taken for granted: a call that
/// panics or hangs has an error that says so, and what it may have bought is asked for again.
pub(super) struct Guarded {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) clock: Clock,
}

impl Guarded {
    /// Calls it; `failed` makes an error of the words for a call that did not end well.
    async fn call<T: Send>(
        &self,
        call: impl Future<Output = Result<T, ProviderError>> + Send,
        failed: fn(String) -> ProviderError,
    ) -> Result<T, ProviderError> {
        let called = guarded(&self.clock, LONGEST_CALL, call).await;
        called.unwrap_or_else(|mishap| Err(failed(format!("the provider {mishap}"))))
    }
}

#[async_trait]
impl Provider for Guarded {
    fn remembers_orders(&self) -> bool {
        self.provider.remembers_orders()
    }

    async fn order(&self, order: &Order, session: u64) -> Result<Machine, ProviderError> {
        let call = async { self.provider.order(order, session).await };
        self.call(call, ProviderError::Ambiguous).await
    }

    async fn get(&self, provider_ref: &str) -> Result<Option<Machine>, ProviderError> {
        let call = async { self.provider.get(provider_ref).await };
        self.call(call, ProviderError::Unanswered).await
    }

    async fn list(&self, label: (&str, &str)) -> Result<Vec<Machine>, ProviderError> {
        let call = async { self.provider.list(label).await };
        self.call(call, ProviderError::Unanswered).await
    }

    async fn terminate(
        &self,
        provider_ref: &str,
        session: u64,
    ) -> Result<Termination, ProviderError> {
        let call = async { self.provider.terminate(provider_ref, session).await };
        self.call(call, ProviderError::Ambiguous).await
    }

    async fn instance_types(&self) -> Result<Vec<InstanceType>, ProviderError> {
        let call = async { self.provider.instance_types().await };
        self.call(call, ProviderError::Unanswered).await
    }
}
