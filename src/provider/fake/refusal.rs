use crate::provider::ProviderError;

/// Why a simulated cloud does not carry an order out. None has an effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The order makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The key was used before, with another body.
    #[error("idempotency key {0:?} was used before with another body")]
    Mismatch(String),
    /// As many machines of that type are live as there are.
    #[error("all {capacity} machines of type {instance_type:?} are rented out")]
    NoCapacity {
        /// The type asked for.
        instance_type: String,
        /// How many there are.
        capacity: u32,
    },
    /// Nothing of that type is sold at present.
    #[error("type {0:?} is sold out")]
    SoldOut(String),
    /// The account has as many machines as it may.
    #[error("the account may have {0} machines, and has")]
    Quota(usize),
}

impl From<Refusal> for ProviderError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Invalid(_) => Self::Invalid(message),
            Refusal::Mismatch(_) => Self::Ambiguous(message),
            Refusal::NoCapacity { .. } | Refusal::SoldOut(_) => Self::Capacity(message),
            Refusal::Quota(_) => Self::Quota(message),
        }
    }
}
