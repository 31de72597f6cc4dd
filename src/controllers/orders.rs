//! From a pool's wish for one more machine to an order that names everything.

use std::collections::BTreeMap;

use navarch_fleet::{BackoffKey, FleetState, LogTime, ProviderName};
use navarch_proto::fleet::{PoolProvider, PoolSpec, RequestInstance};

use super::Providers;
use crate::provider::{
    OrderSpec,
    catalogue::{ProviderKind, provider_type},
    labels,
    selection::{Candidate, Strategy, rank},
};

/// Where machines can be rented now.
pub(super) struct Market<'a> {
    pub(super) fleet: &'a FleetState,
    pub(super) providers: &'a Providers,
    pub(super) now: LogTime,
}

/// One place where the next machine of a pool can be rented.
struct Place<'a> {
    provider: &'a PoolProvider,
    region: String,
    zone: String,
    instance_type: String,
}

impl Market<'_> {
    /// The order for one more machine of `pool`, or why none can be made now. `turn` counts the pool's
    /// orders, those of the present pass included.
    pub(super) fn order(
        &self,
        pool: &PoolSpec,
        instance_id: &str,
        turn: u64,
    ) -> Result<RequestInstance, String> {
        let place = self.choose(pool, turn)?;
        let mut labels = BTreeMap::from_iter(pool.labels.clone());
        labels.insert(labels::CLUSTER.to_owned(), self.providers.cluster_id().to_owned());
        labels.insert(labels::POOL.to_owned(), pool.name.clone());
        labels.insert(labels::INSTANCE.to_owned(), instance_id.to_owned());
        labels.insert(labels::PROVIDER.to_owned(), place.provider.name.clone());
        let spec = OrderSpec {
            name: instance_id.to_owned(),
            instance_type: place.instance_type.clone(),
            region: place.region.clone(),
            zone: place.zone.clone(),
            ssh_keys: pool.ssh_keys.clone(),
            labels,
            user_data: String::new(),
        };
        Ok(RequestInstance {
            instance_id: instance_id.to_owned(),
            pool: pool.name.clone(),
            provider: place.provider.name.clone(),
            region: place.region,
            zone: place.zone,
            instance_type: place.instance_type,
            request_body: spec.request_body(),
            reason: format!("pool {} is below its target", pool.name),
            ..RequestInstance::default()
        })
    }

    /// The first place, in the order of the pool's strategy, that can be asked and is not backing off. Each
    /// is the fallback of the one before.
    fn choose<'p>(&self, pool: &'p PoolSpec, turn: u64) -> Result<Place<'p>, String> {
        if let Some(bootstrap) = &pool.bootstrap
            && !bootstrap.setup_commands.is_empty()
        {
            return Err("setup_commands need SSH bootstrap, which is not built yet".to_owned());
        }
        let strategy: Strategy = pool.strategy.parse().map_err(|error| format!("{error}"))?;
        let candidate = |entry: &PoolProvider| Candidate {
            priority: entry.priority,
            weight: entry.weight,
            ..Candidate::default()
        };
        let candidates: Vec<Candidate> = pool.providers.iter().map(candidate).collect();
        let mut refusals = Vec::new();
        for index in rank(strategy, &candidates, turn) {
            match self.places(pool, &pool.providers[index], turn) {
                Ok(places) => {
                    for place in places {
                        if !self.backs_off(&place) {
                            return Ok(place);
                        }
                        refusals.push(format!(
                            "{} sells no {} in {:?} at present",
                            place.provider.name, place.instance_type, place.region
                        ));
                    }
                }
                Err(reason) => refusals.push(reason),
            }
        }
        if refusals.is_empty() {
            return Err("no provider is configured for it".to_owned());
        }
        Err(refusals.join("; "))
    }

    fn backs_off(&self, place: &Place<'_>) -> bool {
        // A name that is no provider's name is refused with the order, in words.
        let Ok(provider) = ProviderName::new(&place.provider.name) else { return false };
        let key = BackoffKey {
            provider,
            region: place.region.as_str().into(),
            instance_type: place.instance_type.as_str().into(),
        };
        // Not the state's own time, which stands still while nothing is proposed.
        self.fleet.backoff(&key).is_some_and(|backoff| backoff.until > self.now)
    }

    /// The places of one provider: its regions in their order, zones in turn.
    fn places<'p>(
        &self,
        pool: &PoolSpec,
        entry: &'p PoolProvider,
        turn: u64,
    ) -> Result<Vec<Place<'p>>, String> {
        let Some(spec) = self.fleet.provider_spec(&entry.name) else {
            return Err(format!("provider {:?} is not configured", entry.name));
        };
        self.providers.get(self.fleet, &entry.name)?;
        let kind: ProviderKind = spec.r#type.parse().map_err(|error| format!("{error}"))?;
        let wanted =
            if entry.instance_type.is_empty() { &pool.instance_type } else { &entry.instance_type };
        let instance_type = provider_type(kind, wanted).map_err(|error| error.to_string())?;
        let default_region = if pool.region.is_empty() { &spec.region } else { &pool.region };
        let regions = if entry.regions.is_empty() {
            std::slice::from_ref(default_region)
        } else {
            &entry.regions
        };
        let turn = usize::try_from(turn % 1_000_000).unwrap_or_default();
        let zone = match turn.checked_rem(pool.zones.len()) {
            Some(index) => pool.zones[index].clone(),
            None => spec.zone.clone(),
        };
        let place = |region: &String| Place {
            provider: entry,
            region: region.clone(),
            zone: zone.clone(),
            instance_type: instance_type.to_owned(),
        };
        Ok(regions.iter().map(place).collect())
    }
}
