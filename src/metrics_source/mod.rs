//! Where the autoscaler's figures of a pool come from.
//!
//! | file | holds |
//! |---|---|
//! | `source` | [`MetricsSource`]: answers a [`Question`] about a pool |
//! | `figure` | [`Figure`]: told, missing with the reason, or never told by this source; [`Figures`] |
//! | `sources` | [`Sources`]: asks them in a pool's order, the first that has a figure wins; [`Found`] |
//! | `heartbeats` | [`Heartbeats`]: utilisation as the pool's nodes tell it |
//! | `pushed` | [`Pushed`]: what was reported of a pool, out of the log |
//! | `prometheus/` | [`Prometheus`]: queries of a server |
//! | `means` | the utilisation of pools, of their nodes in service |
//! | `histories` | earlier samples of each pool, bounded |
//!
//! No data is not zero: a source without data says so, and why, in words that stay the same as long as nothing
//! changes. The reason of a pool that holds is told once, not at each look.
//!
//! A program that embeds the control plane adds sources of its own with `server::Plugins::metrics_source`. Their
//! names begin with `x-`, so that a pool's `metrics.order` can name them.

mod figure;
mod heartbeats;
mod histories;
mod means;
mod prometheus;
mod pushed;
mod source;
mod sources;

use std::sync::Arc;

use navarch_host::{Clock, Spawner};

pub use self::{
    figure::{Figure, Figures, Reading},
    heartbeats::Heartbeats,
    means::in_service,
    prometheus::{Environment, Prometheus},
    pushed::Pushed,
    source::{MetricsSource, Question, Round},
    sources::{Found, Sources},
};

/// The sources that every replica has, in the order of a pool that names none: pushed, Prometheus, heartbeats.
pub fn built_in(
    heartbeats: Arc<Heartbeats>,
    clock: Clock,
    spawner: Arc<dyn Spawner>,
    environment: Environment,
) -> Sources {
    Sources::new(clock.clone())
        .with(Arc::new(Pushed::default()))
        .with(Arc::new(Prometheus::new(clock, spawner, environment)))
        .with(heartbeats)
}
