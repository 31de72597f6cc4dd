//! Telling others about nodes: the workload system that runs jobs on them, and whoever observes the fleet.
//!
//! | file | holds |
//! |---|---|
//! | `notifier` | [`Notifier`]: tell of a cordon, an uncordon, a drain; ask whether a drain is over |
//! | `noop` | [`Noop`]: nobody to tell, so that a drain is over at once |
//! | `webhook` | [`Webhook`]: a workload system behind urls |
//! | `exchange` | one HTTP exchange of a webhook: bounded in time and size, no redirects |
//! | `headers` | headers whose `${VARIABLE}` is read when they are sent |
//! | `observer` | [`NodeHealthObserver`], [`InstanceObserver`]: callbacks of whoever embeds the control plane |
//! | `error` | [`NotifyError`]: refused, or not heard |
//! | `guarded` | a notifier of an embedding program, which may panic or hang |
//! | `channels` | [`Channels`]: from the configuration to those who can be told |
//!
//! Nothing here retries: whoever calls decides from [`NotifyError`], and asks again later.

mod channels;
mod error;
mod exchange;
mod guarded;
mod headers;
mod noop;
mod notifier;
mod observer;
mod webhook;

#[cfg(test)]
mod webhook_test;

pub use self::{
    channels::{Channels, Environment, tells_workloads},
    error::NotifyError,
    noop::Noop,
    notifier::{DrainStatus, Notice, Notifier},
    observer::{
        HealthTransition, InstanceFailure, InstanceObserver, NodeHealthObserver, Observers,
    },
    webhook::{Webhook, WebhookParts},
};
