//! From a pool's wish for one more machine to an order that names everything.

use std::collections::BTreeMap;

use navarch_fleet::{BackoffKey, FleetState, LogTime, ProviderName};
use navarch_proto::fleet::{PoolProvider, PoolSpec, RequestInstance};

use crate::provider::{
    OrderSpec,
    catalogue::{ProviderKind, provider_type},
    labels,
    selection::{Candidate, Strategy, rank},
};

/// One place where the next machine of a pool can be rented.
struct Place<'a> {
    provider: &'a PoolProvider,
    region: String,
    zone: String,
    instance_type: String,
}

/// The order for one more machine of `pool`, or why none can be made now.
///
/// `turn` counts the pool's orders, these of the present pass included.
pub(super) fn order(
    fleet: &FleetState,
    pool: &PoolSpec,
    instance_id: &str,
    cluster_id: &str,
    turn: u64,
) -> Result<RequestInstance, String> {
    let place = choose(fleet, pool, turn)?;
    let mut labels = BTreeMap::from_iter(pool.labels.clone());
    labels.insert(labels::CLUSTER.to_owned(), cluster_id.to_owned());
    labels.insert(labels::POOL.to_owned(), pool.name.clone());
    labels.insert(labels::INSTANCE.to_owned(), instance_id.to_owned());
    labels.insert(labels::PROVIDER.to_owned(), place.provider.name.clone());
    let spec = OrderSpec {
        name: format!("navarch-{instance_id}"),
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
        ..RequestInstance::default()
    })
}

/// The first place, in the order of the pool's strategy, that is not backing off for lack of capacity.
fn choose<'a>(fleet: &FleetState, pool: &'a PoolSpec, turn: u64) -> Result<Place<'a>, String> {
    if let Some(bootstrap) = &pool.bootstrap
        && !bootstrap.setup_commands.is_empty()
    {
        return Err("setup_commands need SSH bootstrap, which is not built yet".to_owned());
    }
    let strategy: Strategy = pool.strategy.parse().map_err(|error| format!("{error}"))?;
    let candidates: Vec<Candidate> = pool
        .providers
        .iter()
        .map(|entry| Candidate {
            priority: entry.priority,
            weight: entry.weight,
            ..Candidate::default()
        })
        .collect();
    let mut refusals = Vec::new();
    for index in rank(strategy, &candidates, turn) {
        for place in places(fleet, pool, &pool.providers[index], turn)? {
            let (provider, region) = (&place.provider.name, &place.region);
            match backoff_until(fleet, &place) {
                Some(until) if until > fleet.log_time() => refusals.push(format!(
                    "{provider} {region} {} is out of capacity",
                    place.instance_type
                )),
                _ => return Ok(place),
            }
        }
    }
    refusals.dedup();
    Err(refusals.join("; "))
}

fn backoff_until(fleet: &FleetState, place: &Place<'_>) -> Option<LogTime> {
    let key = BackoffKey {
        provider: ProviderName::new(&place.provider.name).ok()?,
        region: place.region.as_str().into(),
        instance_type: place.instance_type.as_str().into(),
    };
    fleet.backoff(&key).map(|backoff| backoff.until)
}

/// The places of one provider: its regions in their order, zones in turn.
fn places<'a>(
    fleet: &FleetState,
    pool: &PoolSpec,
    entry: &'a PoolProvider,
    turn: u64,
) -> Result<Vec<Place<'a>>, String> {
    let Some(spec) = fleet.provider_spec(&entry.name) else {
        return Err(format!("provider {:?} is not configured", entry.name));
    };
    let kind: ProviderKind = spec.r#type.parse().map_err(|error| format!("{error}"))?;
    let wanted =
        if entry.instance_type.is_empty() { &pool.instance_type } else { &entry.instance_type };
    let instance_type = provider_type(kind, wanted).map_err(|error| error.to_string())?;
    let default_region = if pool.region.is_empty() { &spec.region } else { &pool.region };
    let regions =
        if entry.regions.is_empty() { std::slice::from_ref(default_region) } else { &entry.regions };
    let zone = match usize::try_from(turn).ok().and_then(|turn| turn.checked_rem(pool.zones.len())) {
        Some(index) => pool.zones[index].clone(),
        None => spec.zone.clone(),
    };
    Ok(regions
        .iter()
        .map(|region| Place {
            provider: entry,
            region: region.clone(),
            zone: zone.clone(),
            instance_type: instance_type.to_owned(),
        })
        .collect())
}
