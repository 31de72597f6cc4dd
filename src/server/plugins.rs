use std::{collections::BTreeMap, fmt, sync::Arc};

use navarch_host::Clock;
use navarch_proto::fleet::ProviderSpec;

use crate::{
    metrics_source::MetricsSource,
    notify::{InstanceObserver, NodeHealthObserver, Notifier, Observers},
    provider::{OwnProviders, Provider},
    scaling::{Autoscaler, Autoscalers, OwnNameError, check_own_name},
};

/// What a program that embeds a replica brings along, beside what the configuration can name. Everything here is
/// asked by the acting leader, so all replicas of a group should bring the same. Where one does not, it says so
/// while it leads: a pool without its provider is held with the reason, a figure without its source is missing,
/// and a pool without its autoscaler goes by the configured strategy.
///
/// The documentation of this crate shows how they are used. A part that panics, or has no answer to a call in
/// time, is as good as absent: its pool holds, its figure is missing, its order is asked again, and the reason says so.
#[derive(Clone, Default)]
pub struct Plugins {
    autoscalers: BTreeMap<String, Arc<dyn Autoscaler>>,
    metrics: Vec<Arc<dyn MetricsSource>>,
    pub(super) providers: OwnProviders,
    pub(super) notifier: Option<Arc<dyn Notifier>>,
    pub(super) observers: Observers,
    pub(super) clock: Option<Clock>,
}

/// Why a replica does not start with what its program brought along.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// A name that could be mistaken.
    #[error(transparent)]
    Name(#[from] OwnNameError),
    /// Two sources could not be told apart.
    #[error("two metrics sources are named {0:?}; rename one")]
    SameSource(String),
}

impl Plugins {
    /// Has `autoscaler` decide for the pool of that name, in place of its configured strategy. Limits, cooldown,
    /// hold and pause stay in force. Its name begins with `x-`.
    #[must_use]
    pub fn autoscaler(mut self, pool: &str, autoscaler: Arc<dyn Autoscaler>) -> Self {
        self.autoscalers.insert(pool.to_owned(), autoscaler);
        self
    }

    /// Has `source` asked for pools' figures: where a pool's `metrics.order` names it, or after the built-in ones for
    /// a pool without an order. Its name begins with `x-`.
    #[must_use]
    pub fn metrics_source(mut self, source: Arc<dyn MetricsSource>) -> Self {
        self.metrics.push(source);
        self
    }

    /// Has `provider` rent machines for the configured provider of that name, whose `type` must be `custom`.
    #[must_use]
    pub fn provider(self, name: &str, provider: Arc<dyn Provider>) -> Self {
        self.provider_built_by(name, move |_| Ok(Arc::clone(&provider)))
    }

    /// The same with a provider that is made of what the configuration has under its name, and made again when
    /// that changes. An error holds the pools that need it, with the reason.
    #[must_use]
    pub fn provider_built_by(
        mut self,
        name: &str,
        build: impl Fn(&ProviderSpec) -> Result<Arc<dyn Provider>, String> + Send + Sync + 'static,
    ) -> Self {
        self.providers.add(name, Arc::new(build));
        self
    }

    /// Has the workload system told through `notifier` where the configuration's `server.notifier.type` is
    /// `custom`.
    #[must_use]
    pub fn notifier(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = Some(notifier);
        self
    }

    /// Has `observer` told of changes of nodes' health.
    #[must_use]
    pub fn health_observer(mut self, observer: Arc<dyn NodeHealthObserver>) -> Self {
        self.observers.health.push(observer);
        self
    }

    /// Has `observer` told of stale instances and of others that failed.
    #[must_use]
    pub fn instance_observer(mut self, observer: Arc<dyn InstanceObserver>) -> Self {
        self.observers.instances.push(observer);
        self
    }

    /// Has the fleet live by `clock`: the time in the log, periods of the control loops, time-outs of nodes,
    /// instances and calls. Raft goes on by the system's time, and so do the sockets: a group keeps its leader and
    /// its disk takes its time however the fleet's clock is moved.
    ///
    /// Move a fake clock in steps, shorter than the time-outs of whoever has to be heard, and make a call between
    /// them: the log and its disk take real time, so what a step sets off may be in force only after a later one.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Which autoscaler each pool goes by.
    pub(super) fn autoscalers(&self) -> Result<Autoscalers, PluginError> {
        Ok(Autoscalers::new(self.autoscalers.clone())?)
    }

    /// The own sources, with names that can be told apart.
    pub(super) fn metrics(&self) -> Result<&[Arc<dyn MetricsSource>], PluginError> {
        for (place, source) in self.metrics.iter().enumerate() {
            check_own_name("metrics source", source.name())?;
            if self.metrics[..place].iter().any(|other| other.name() == source.name()) {
                return Err(PluginError::SameSource(source.name().to_owned()));
            }
        }
        Ok(&self.metrics)
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |one: &Arc<dyn Autoscaler>| one.name().to_owned();
        let autoscalers: BTreeMap<_, _> =
            self.autoscalers.iter().map(|(pool, one)| (pool, named(one))).collect();
        let metrics: Vec<_> = self.metrics.iter().map(|source| source.name()).collect();
        formatter
            .debug_struct("Plugins")
            .field("autoscalers", &autoscalers)
            .field("metrics", &metrics)
            .field("providers", &self.providers)
            .field("notifier", &self.notifier.is_some())
            .field("observers", &self.observers)
            .field("clock", &self.clock)
            .finish()
    }
}

#[cfg(test)]
#[path = "plugins_test.rs"]
mod tests;
