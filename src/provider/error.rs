use std::time::Duration;

/// Why a provider did not do what it was asked, sorted by what may be concluded from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// No machine of that type is to be had there now (`insufficient_capacity`).
    #[error("no capacity: {0}")]
    Capacity(String),
    /// The account may not rent more (`quota_exceeded`).
    #[error("quota exceeded: {0}")]
    Quota(String),
    /// The order can never be carried out as it is (`invalid_request`).
    #[error("invalid order: {0}")]
    Invalid(String),
    /// Asked too often.
    #[error("rate limited, ask again in {} s: {message}", retry_after.as_secs())]
    RateLimited {
        /// What the provider said.
        message: String,
        /// How long it asked us to wait.
        retry_after: Duration,
    },
    /// The credentials were refused.
    #[error("not authorised: {0}")]
    Unauthorized(String),
    /// The request never left: no connection could be made.
    #[error("cannot reach the provider: {0}")]
    Unreachable(String),
    /// A read was not answered, or not with an answer: nothing is known, and nothing was changed.
    #[error("no usable answer: {0}")]
    Unanswered(String),
    /// Whether the request took effect is not known.
    #[error("unknown whether it took effect: {0}")]
    Ambiguous(String),
}

/// What a caller may conclude from a [`ProviderError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// This order had no effect and never will: its instance has failed, and a fallback is a new order under
    /// a new key.
    Final,
    /// This request had no effect: ask the same again, not sooner than after the time given. Earlier
    /// requests under the same key may still have had one.
    Wait(Duration),
    /// The request may have had its effect: ask again with the same key and bytes, or list by label, before
    /// anything else is bought in its place.
    Ambiguous,
}

/// How long to wait before asking again where the provider does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

impl ProviderError {
    /// What follows from this failure. Source: the table of the HTTP provider protocol.
    pub fn conclusion(&self) -> Conclusion {
        match self {
            Self::Capacity(_) | Self::Quota(_) | Self::Invalid(_) => Conclusion::Final,
            Self::RateLimited { retry_after, .. } => Conclusion::Wait(*retry_after),
            Self::Unauthorized(_) | Self::Unreachable(_) | Self::Unanswered(_) => {
                Conclusion::Wait(DEFAULT_WAIT)
            }
            Self::Ambiguous(_) => Conclusion::Ambiguous,
        }
    }
}
