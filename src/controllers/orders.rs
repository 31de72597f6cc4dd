//! From a pool's wish for one more machine to an order that names everything.

use std::collections::BTreeMap;

use navarch_fleet::{BackoffKey, FleetState, Instance, LogTime, ProviderName};
use navarch_host::planted::{self, Bug};
use navarch_proto::fleet::{FailureKind, PoolProvider, PoolSpec, ProviderSpec, RequestInstance};

use super::{Providers, offers::Offer};
use crate::provider::{
    OrderSpec,
    catalogue::{ProviderKind, provider_type},
    labels,
    selection::{Candidate, Strategy, rank},
};

/// How long the other zones of a pool come before one in which an order was refused: as long as the longest pause after
/// refusals.
const REFUSED_FOR_MS: u64 = 1_800_000;

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

/// What the next order of a pool goes by; it moves on with each order of a pass.
pub(super) struct Turn<'a> {
    /// The pool's orders ever, those of the present pass included.
    count: u64,
    zones: Vec<Zone<'a>>,
}

/// A zone of a pool.
struct Zone<'a> {
    name: &'a str,
    /// The pool's machines there, those on order included.
    machines: u32,
    /// When the last order that was sold there was made.
    sold: LogTime,
    /// When a provider last refused one, if that is not long ago.
    refused: LogTime,
}

impl<'a> Turn<'a> {
    /// Before the first order of a pass.
    pub(super) fn first(fleet: &FleetState, pool: &'a PoolSpec, now: LogTime) -> Self {
        let count = fleet.pool(&pool.name).map_or(0, |pool| pool.choices);
        let never = LogTime::default();
        let zone = |name: &'a String| Zone { name, machines: 0, sold: never, refused: never };
        let mut turn = Self { count, zones: pool.zones.iter().map(zone).collect() };
        // With one zone or none there is nothing to spread.
        if turn.zones.len() > 1 {
            for instance in fleet.instances_in_pool(&pool.name) {
                if let Some(zone) = turn.named(&instance.zone) {
                    zone.machines += u32::from(instance.is_live());
                    if instance.provider_ref.is_some() {
                        zone.sold = instance.created_at.max(zone.sold);
                    } else if was_refused(instance, now) {
                        zone.refused = instance.state_since.max(zone.refused);
                    }
                }
            }
        }
        turn
    }

    /// Where the next machine comes from: the zone with the fewest, the first of several. Those that refused an order and have sold
    /// none since come last: one that is sold out has the fewest, and would be asked for ever.
    fn zone(&self) -> Option<&'a str> {
        let last_and_fewest = |zone: &&Zone<'_>| (zone.refused > zone.sold, zone.machines);
        self.zones.iter().min_by_key(last_and_fewest).map(|zone| zone.name)
    }

    fn named(&mut self, name: &str) -> Option<&mut Zone<'a>> {
        self.zones.iter_mut().find(|zone| zone.name == name)
    }

    fn ordered(&mut self, name: &str) {
        self.count += 1;
        if let Some(zone) = self.named(name) {
            zone.machines += 1;
        }
    }
}

/// Whether a provider would not sell it, not long ago.
fn was_refused(instance: &Instance, now: LogTime) -> bool {
    let refused = matches!(
        instance.failure,
        FailureKind::Capacity | FailureKind::Quota | FailureKind::Invalid
    );
    refused && instance.state_since.plus_ms(REFUSED_FOR_MS) > now
}

impl Market<'_> {
    /// The order for one more machine of `pool`, or why none can be made now.
    pub(super) fn order(
        &self,
        pool: &PoolSpec,
        instance_id: &str,
        turn: &mut Turn<'_>,
    ) -> Result<RequestInstance, String> {
        let place = self.choose(pool, turn)?;
        turn.ordered(&place.zone);
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
            within_target: !planted::is(Bug::CountOnlyRegistered),
            ..RequestInstance::default()
        })
    }

    /// The first place, in the order of the pool's strategy, that can be asked and is not backing off. Each
    /// is the fallback of the one before.
    fn choose<'p>(&self, pool: &'p PoolSpec, turn: &Turn<'_>) -> Result<Place<'p>, String> {
        if let Some(bootstrap) = &pool.bootstrap
            && !bootstrap.setup_commands.is_empty()
        {
            return Err("setup_commands need SSH bootstrap, which is not built yet".to_owned());
        }
        let strategy: Strategy = pool.strategy.parse().map_err(|error| format!("{error}"))?;
        let candidate = |entry| self.candidate(pool, entry);
        let candidates: Vec<Candidate> = pool.providers.iter().map(candidate).collect();
        let mut refusals = Vec::new();
        for index in rank(strategy, &candidates, turn.count) {
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

    fn candidate(&self, pool: &PoolSpec, entry: &PoolProvider) -> Candidate {
        let provider = self.providers.get(self.fleet, &entry.name).ok();
        let offer =
            self.fleet.provider_spec(&entry.name).zip(provider).and_then(|(spec, cloud)| {
                let wanted = instance_type(pool, entry, spec).ok()?;
                Some(cloud.offer(wanted, regions(pool, entry, spec)))
            });
        let Offer { price_per_hour, available } = offer.unwrap_or_default();
        Candidate { priority: entry.priority, weight: entry.weight, price_per_hour, available }
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

    /// The places of one provider: its regions in their order, in the zone that has the fewest machines.
    fn places<'p>(
        &self,
        pool: &PoolSpec,
        entry: &'p PoolProvider,
        turn: &Turn<'_>,
    ) -> Result<Vec<Place<'p>>, String> {
        let Some(spec) = self.fleet.provider_spec(&entry.name) else {
            return Err(format!("provider {:?} is not configured", entry.name));
        };
        self.providers.get(self.fleet, &entry.name)?;
        let instance_type = instance_type(pool, entry, spec)?;
        let regions = regions(pool, entry, spec);
        let zone = turn.zone().map_or_else(|| spec.zone.clone(), ToOwned::to_owned);
        let place = |region: &String| Place {
            provider: entry,
            region: region.clone(),
            zone: zone.clone(),
            instance_type: instance_type.to_owned(),
        };
        Ok(regions.iter().map(place).collect())
    }
}

/// The provider's own name of the type that the pool wants there.
fn instance_type<'a>(
    pool: &'a PoolSpec,
    entry: &'a PoolProvider,
    spec: &ProviderSpec,
) -> Result<&'a str, String> {
    let kind: ProviderKind = spec.r#type.parse().map_err(|error| format!("{error}"))?;
    let wanted =
        if entry.instance_type.is_empty() { &pool.instance_type } else { &entry.instance_type };
    provider_type(kind, wanted).map_err(|error| error.to_string())
}

/// The regions that the pool may use there, in their order.
fn regions<'a>(
    pool: &'a PoolSpec,
    entry: &'a PoolProvider,
    spec: &'a ProviderSpec,
) -> &'a [String] {
    let default_region = if pool.region.is_empty() { &spec.region } else { &pool.region };
    if entry.regions.is_empty() { std::slice::from_ref(default_region) } else { &entry.regions }
}
