use std::sync::{Arc, Mutex, PoisonError};

use navarch_fleet::FleetState;
use navarch_host::Clock;
use navarch_proto::fleet::NotifierSpec;

use crate::notify::{
    Channels, Environment, NodeHealthObserver, Notifier, NotifyError, tells_workloads,
};

/// Makes those whom a configuration has told, or says why that cannot be.
pub type BuildChannels = Box<dyn Fn(&NotifierSpec) -> Result<Channels, NotifyError> + Send + Sync>;

/// Whom the fleet's configuration has told of nodes: built once, and again when its part of the
/// configuration changes.
pub struct Notifiers {
    build: BuildChannels,
    built: Mutex<Option<(NotifierSpec, Channels)>>,
}

impl Notifiers {
    /// Built as the configuration says; headers are filled in from `environment`, and `own` is the notifier of the
    /// program that this replica is part of.
    pub fn new(clock: Clock, environment: Environment, own: Option<Arc<dyn Notifier>>) -> Self {
        let build: BuildChannels =
            Box::new(move |spec| Channels::build(spec, &clock, &environment, own.as_ref()));
        Self::built_by(build)
    }

    /// Built by `build`.
    pub fn built_by(build: BuildChannels) -> Self {
        Self { build, built: Mutex::default() }
    }

    /// The workload system, or why it cannot be told.
    pub(super) fn notifier(&self, fleet: &FleetState) -> Result<Arc<dyn Notifier>, NotifyError> {
        self.channels(fleet).map(|channels| channels.notifier)
    }

    /// Who the configuration has told of nodes' health, if anybody.
    pub(super) fn health(
        &self,
        fleet: &FleetState,
    ) -> Result<Option<Arc<dyn NodeHealthObserver>>, NotifyError> {
        self.channels(fleet).map(|channels| channels.health)
    }

    fn channels(&self, fleet: &FleetState) -> Result<Channels, NotifyError> {
        let Some(spec) = fleet.settings().notifier.as_ref().filter(|_| has_workloads(fleet)) else {
            return Ok(Channels::noop());
        };
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, channels)) = &*built
            && known == spec
        {
            return Ok(channels.clone());
        }
        let channels = (self.build)(spec)?;
        *built = Some((spec.clone(), channels.clone()));
        Ok(channels)
    }
}

/// Whether there is a workload system to tell.
pub(super) fn has_workloads(fleet: &FleetState) -> bool {
    tells_workloads(fleet.settings().notifier.as_ref())
}
