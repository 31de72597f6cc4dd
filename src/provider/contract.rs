use async_trait::async_trait;

use super::{InstanceType, Machine, Order, ProviderError};

/// A cloud that rents machines out.
///
/// `session` is the id of the leader session on whose behalf the call is made; providers that keep a ledger
/// record it. No method retries: see [`ProviderError::conclusion`] for what the caller may do next.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Buys the machine of `order`, or finds it: the same order again answers the same machine, also after
    /// it was terminated, and never buys a second one. The order's bytes are sent as they are.
    async fn order(&self, order: &Order, session: u64) -> Result<Machine, ProviderError>;

    /// Whether [`Provider::order`] can keep its promise: a cloud that knows no idempotency keys would sell a second
    /// machine. An order of such a cloud is asked once; left without an answer it fails after the configured launch
    /// time-out, once two complete listings more than a minute apart do not show its tag.
    fn remembers_orders(&self) -> bool {
        true
    }

    /// The machine with the provider's own id `provider_ref`; `None` if the provider says it has none.
    async fn get(&self, provider_ref: &str) -> Result<Option<Machine>, ProviderError>;

    /// Every machine that carries the label `(name, value)`, terminated ones that the provider still shows
    /// included, ordered by id. Complete or an error: never the first pages alone.
    async fn list(&self, label: (&str, &str)) -> Result<Vec<Machine>, ProviderError>;

    /// Gives the machine back. Safe to repeat until the answer is not [`Termination::Accepted`].
    async fn terminate(
        &self,
        provider_ref: &str,
        session: u64,
    ) -> Result<Termination, ProviderError>;

    /// What can be rented at present, with prices.
    async fn instance_types(&self) -> Result<Vec<InstanceType>, ProviderError>;
}

/// What a provider answered to a termination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// Under way; ask again or read the machine to see it end.
    Accepted,
    /// The machine is gone.
    Gone,
    /// The provider knows no machine of that id and says that it never did.
    NeverExisted,
}
