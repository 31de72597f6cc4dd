//! What a file leaves out while it has machines stays in the configuration, marked, until they are gone.

use navarch_proto::fleet::{FleetSpec, PoolSpec, ProviderSpec};

use super::apply_fleet_spec::find_pool;
use crate::{outcome::Refusal, state::FleetState};

/// The configuration that follows from a file's: that, and what it leaves out and cannot go yet. Without `force` only
/// what retires already may be left out while it has machines, which would be left to nobody.
pub(super) fn with_retiring(
    state: &FleetState,
    mut spec: FleetSpec,
    force: bool,
) -> Result<FleetSpec, Refusal> {
    let Some(before) = state.spec.as_deref() else {
        return Ok(spec);
    };
    let mut pools = Vec::new();
    for pool in &before.pools {
        if find_pool(&spec, &pool.name).is_none() {
            pools.extend(retiring_pool(state, pool, force)?);
        }
    }
    let mut providers = Vec::new();
    for provider in &before.providers {
        match spec.providers.iter().find(|kept| kept.name == provider.name) {
            None => providers.extend(retiring_provider(state, &spec, provider, force)?),
            Some(_) if force => {}
            Some(kept) => check_same_cloud(state, provider, kept)?,
        }
    }
    spec.pools.extend(pools);
    spec.pools.sort_by(|left, right| left.name.cmp(&right.name));
    spec.providers.extend(providers);
    spec.providers.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(spec)
}

/// A pool as it stays; none: it has no machines and goes at once.
fn retiring_pool(
    state: &FleetState,
    pool: &PoolSpec,
    force: bool,
) -> Result<Option<PoolSpec>, Refusal> {
    let occupancy = state.instances.counts(&pool.name).occupancy();
    if occupancy == 0 {
        return Ok(None);
    }
    if !pool.retiring && !force {
        return Err(Refusal::precondition(format!(
            "pool {} has {occupancy} instances that are not known to be gone; apply with --force to drain \
             them, give them back and remove the pool, or set its min_nodes to 0, scale it to 0 and \
             remove it once they are gone",
            pool.name
        )));
    }
    Ok(Some(PoolSpec { retiring: true, min_nodes: 0, ..pool.clone() }))
}

/// A provider as it stays, since nobody else can give its machines back; none: it has no machines and goes at once.
fn retiring_provider(
    state: &FleetState,
    spec: &FleetSpec,
    provider: &ProviderSpec,
    force: bool,
) -> Result<Option<ProviderSpec>, Refusal> {
    let machines = state.instances.occupying(&provider.name);
    if machines == 0 {
        return Ok(None);
    }
    if !provider.retiring && !force {
        return Err(Refusal::precondition(format!(
            "provider {} has {machines} instances that are not known to be gone, which nobody else can \
             give back; remove it once they are, or apply with --force if the pools that they are of go, \
             too",
            provider.name
        )));
    }
    // Only the machines of pools that go are drained.
    if !provider.retiring
        && let Some((pool, used)) = staying_user(state, spec, &provider.name)
    {
        return Err(Refusal::precondition(format!(
            "provider {} has {used} machines of pool {pool}, which stays; keep the provider in the file \
             without naming it in the pool, drain and terminate them, and remove it once they are gone",
            provider.name
        )));
    }
    Ok(Some(ProviderSpec { retiring: true, ..provider.clone() }))
}

/// Whoever is asked elsewhere for a machine says that there is none, and nobody asks for it where it is any more.
fn check_same_cloud(
    state: &FleetState,
    before: &ProviderSpec,
    after: &ProviderSpec,
) -> Result<(), Refusal> {
    let place = |spec: &ProviderSpec| {
        format!("type {} {} {}", spec.r#type, spec.url, spec.project).trim_end().to_owned()
    };
    let machines = state.instances.occupying(&before.name);
    if machines == 0 || place(before) == place(after) {
        return Ok(());
    }
    Err(Refusal::precondition(format!(
        "provider {} has {machines} instances that are not known to be gone, at {}; at {} nobody would \
         give them back, or find what was ordered: give the other cloud a name of its own, or, if it is the \
         same one under another address, apply with --force",
        before.name,
        place(before),
        place(after)
    )))
}

/// A pool of the file that has machines of a provider in use, and how many.
fn staying_user<'a>(
    state: &FleetState,
    spec: &'a FleetSpec,
    provider: &str,
) -> Option<(&'a str, usize)> {
    let used = |pool: &'a PoolSpec| {
        let machines = state.instances.in_pool(&pool.name);
        let used = machines.filter(|one| one.is_live() && one.provider.as_str() == provider);
        (pool.name.as_str(), used.count())
    };
    spec.pools.iter().map(used).find(|(_, used)| *used > 0)
}
