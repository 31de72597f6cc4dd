use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use navarch_fleet::FleetState;
use navarch_host::{Chance, Clock};
use navarch_proto::fleet::ProviderSpec;

use super::pace::Paced;
use crate::provider::{
    Machine, Provider, ProviderError, labels,
    registry::{self, BuildContext},
};

/// Makes the cloud that a configured provider names, or says why it cannot be called.
pub type Build = Box<dyn Fn(&ProviderSpec) -> Result<Arc<dyn Provider>, String> + Send + Sync>;

/// The clouds that the fleet's configuration names, built once each and again when their part of the
/// configuration changes.
pub struct Providers {
    build: Build,
    clock: Clock,
    chance: Chance,
    /// The cluster id, with which every machine is labelled.
    cluster_id: String,
    built: Mutex<BTreeMap<String, Built>>,
}

/// A cloud, and the part of the configuration that it was built from.
type Built = (ProviderSpec, Arc<Paced>);

impl Providers {
    /// No clouds yet; the registry builds them as they are asked for.
    pub fn new(context: BuildContext, cluster_id: String) -> Self {
        let clock = context.clock.clone();
        let build: Build = Box::new(move |spec| {
            registry::build(spec, &context).map_err(|error| error.to_string())
        });
        Self::built_by(build, cluster_id, clock)
    }

    /// No clouds yet; `build` makes them as they are asked for.
    pub fn built_by(build: Build, cluster_id: String, clock: Clock) -> Self {
        Self { build, clock, chance: Chance::system(), cluster_id, built: Mutex::default() }
    }

    /// The same, with what controllers draw at random drawn from `chance`.
    #[must_use]
    pub fn with_chance(mut self, chance: Chance) -> Self {
        self.chance = chance;
        self
    }

    /// What ids of orders and pauses are drawn from.
    pub(super) fn chance(&self) -> &Chance {
        &self.chance
    }

    /// The cluster id, with which every machine is labelled.
    pub(super) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The cloud `name`, or why it cannot be called.
    pub(super) fn get(&self, fleet: &FleetState, name: &str) -> Result<Arc<Paced>, String> {
        let Some(spec) = fleet.provider_spec(name) else {
            return Err(format!("provider {name:?} is not configured"));
        };
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, provider)) = built.get(name)
            && is_same_cloud(known, spec)
        {
            return Ok(Arc::clone(provider));
        }
        let provider = Arc::new(Paced::new((self.build)(spec)?, spec, self.clock.clone()));
        built.insert(name.to_owned(), (spec.clone(), Arc::clone(&provider)));
        Ok(provider)
    }

    /// A listing of the machines that bear our label, when the cloud may be asked for it. A cloud that ignores the
    /// filter must not have other people's machines taken for ours.
    pub(super) fn list(
        &self,
        fleet: &FleetState,
        name: &str,
    ) -> Result<impl Future<Output = Result<Vec<Machine>, ProviderError>> + Send + use<>, String>
    {
        let (provider, cluster_id) = (self.get(fleet, name)?, self.cluster_id.clone());
        Ok(async move {
            let listed = provider.turn().await.list((labels::CLUSTER, &cluster_id)).await;
            let mut machines = provider.heed(listed)?;
            machines.retain(|one| one.labels.get(labels::CLUSTER) == Some(&cluster_id));
            Ok(machines)
        })
    }
}

/// Whether a provider is called as it was: one that is being removed is the same cloud, and must give its machines
/// back.
fn is_same_cloud(known: &ProviderSpec, spec: &ProviderSpec) -> bool {
    let retiring = known.retiring;
    known == spec
        || (retiring != spec.retiring && *known == ProviderSpec { retiring, ..spec.clone() })
}
