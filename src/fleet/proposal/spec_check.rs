//! What a fleet specification must be, before any of it takes effect.

use std::fmt::Display;

use navarch_proto::fleet::{FleetSpec, PoolSpec, ProviderSpec, Settings};
use prost::Message as _;

use crate::{
    ids::{PoolName, ProviderName},
    limits::{MAX_POOL_NODES, MAX_POOLS, MAX_PROVIDERS, MAX_SPEC_BYTES},
    outcome::Refusal,
    settings::effective,
};

/// How a pool may choose among its providers; empty: by priority.
const STRATEGIES: [&str; 5] = ["", "priority", "cost", "availability", "round-robin"];

/// Checks a specification whose providers and pools are in order.
pub(super) fn check(spec: &FleetSpec) -> Result<(), Refusal> {
    check_size(spec)?;
    if let Some(settings) = &spec.settings {
        check_settings(&effective(settings))?;
    }
    for provider in &spec.providers {
        check_provider(provider)?;
    }
    unique("provider", spec.providers.iter().map(|provider| &provider.name))?;
    for pool in &spec.pools {
        check_pool(pool, spec)?;
    }
    unique("pool", spec.pools.iter().map(|pool| &pool.name))
}

/// The bounds alone.
pub(super) fn check_size(spec: &FleetSpec) -> Result<(), Refusal> {
    at_most("bytes of the specification", spec.encoded_len(), MAX_SPEC_BYTES)?;
    at_most("providers", spec.providers.len(), MAX_PROVIDERS)?;
    at_most("pools", spec.pools.len(), MAX_POOLS)
}

fn at_most(what: &str, is: usize, limit: usize) -> Result<(), Refusal> {
    if is <= limit {
        return Ok(());
    }
    Err(Refusal::invalid(format!("{is} {what}; the limit is {limit}")))
}

/// That no name comes twice among names in order.
fn unique<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
    let mut before: Option<&String> = None;
    for name in names {
        if before == Some(name) {
            return Err(Refusal::invalid(format!("{what} {name} comes twice; rename one")));
        }
        before = Some(name);
    }
    Ok(())
}

fn check_settings(settings: &Settings) -> Result<(), Refusal> {
    if settings.heartbeat_timeout_ms <= settings.heartbeat_interval_ms {
        return Err(Refusal::invalid(format!(
            "heartbeat_timeout, {} ms, is not longer than heartbeat_interval, {} ms; every node \
             would be lost between two beats",
            settings.heartbeat_timeout_ms, settings.heartbeat_interval_ms
        )));
    }
    Ok(())
}

fn check_provider(provider: &ProviderSpec) -> Result<(), Refusal> {
    ProviderName::new(&provider.name)?;
    if provider.retiring {
        return Err(retires_itself("provider", &provider.name));
    }
    if provider.r#type.is_empty() {
        return Err(Refusal::invalid(format!("provider {} has no type", provider.name)));
    }
    Ok(())
}

/// Retiring is what becomes of what a file leaves out.
fn retires_itself(what: &str, name: &str) -> Refusal {
    Refusal::invalid(format!(
        "{what} {name} is marked as retiring; leave it out of the file instead"
    ))
}

fn check_pool(pool: &PoolSpec, spec: &FleetSpec) -> Result<(), Refusal> {
    PoolName::new(&pool.name)?;
    let invalid = |why: &dyn Display| Err(Refusal::invalid(format!("pool {}: {why}", pool.name)));
    if pool.retiring {
        return Err(retires_itself("pool", &pool.name));
    }
    if pool.instance_type.is_empty() {
        return invalid(&"instance_type is missing");
    }
    if pool.max_nodes == 0 || pool.max_nodes > MAX_POOL_NODES {
        return invalid(&format_args!(
            "max_nodes is {}; give 1 to {MAX_POOL_NODES}",
            pool.max_nodes
        ));
    }
    if pool.min_nodes > pool.max_nodes {
        return invalid(&format_args!(
            "min_nodes, {}, is above max_nodes, {}",
            pool.min_nodes, pool.max_nodes
        ));
    }
    if !STRATEGIES.contains(&pool.strategy.as_str()) {
        return invalid(&format_args!(
            "strategy {:?} is not known; give priority, cost, availability or round-robin",
            pool.strategy
        ));
    }
    if pool.providers.is_empty() {
        return invalid(&"no provider is named");
    }
    let known =
        |name: &String| spec.providers.binary_search_by(|provider| provider.name.cmp(name)).is_ok();
    match pool.providers.iter().find(|provider| !known(&provider.name)) {
        Some(provider) => invalid(&format_args!("provider {:?} is not configured", provider.name)),
        None => Ok(()),
    }
}
