use std::{any::Any, fmt, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;

use crate::Clock;

/// Why a call of somebody else's code has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// What the panic said.
    Panicked(String),
    /// How long was waited.
    Hung(Duration),
}

impl fmt::Display for Mishap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(message) => write!(formatter, "panicked, {message}"),
            Self::Hung(limit) => {
                write!(formatter, "did not answer within {} s", limit.as_secs_f64())
            }
        }
    }
}

/// Calls code that is not ours, of which nothing is taken for granted: it may panic, or take longer than `limit`.
///
/// # Errors
///
/// [`Mishap`] when it does.
pub async fn guarded<F: Future>(
    clock: &Clock,
    limit: Duration,
    call: F,
) -> Result<F::Output, Mishap> {
    match clock.timeout(limit, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(panic)) => Err(Mishap::Panicked(panic_message(&*panic).to_owned())),
        Err(_) => Err(Mishap::Hung(limit)),
    }
}

/// What a panic that was caught said.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
