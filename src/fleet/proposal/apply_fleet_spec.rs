use std::sync::Arc;

use navarch_proto::fleet::{Accepted, ApplyFleetSpec, FleetSpec, PoolSpec};

use super::spec_check;
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{PoolName, Revision},
    model::Pool,
    outcome::Refusal,
    settings::{default_settings, effective},
    state::FleetState,
};

/// Replaces the fleet's configuration, as a whole or not at all. New pools start at their minimum; known
/// ones keep their target, held to the new limits.
pub(super) fn apply(
    proposal: ApplyFleetSpec,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let mut spec = proposal
        .spec
        .ok_or_else(|| Refusal::invalid("the proposal carries no specification; send one"))?;
    if proposal.only_if_unset && state.spec.is_some() {
        return Err(Refusal::already_exists(
            "the fleet is configured already; change it with `navarch apply`",
        ));
    }
    spec.providers.sort_by(|left, right| left.name.cmp(&right.name));
    spec.pools.sort_by(|left, right| left.name.cmp(&right.name));
    spec_check::check(&spec)?;
    check_removals(state, &spec)?;
    let pools = checked_pools(state, &spec, context)?;
    let before = state.spec.clone();
    if before.as_deref() != Some(&spec) {
        let before = before.unwrap_or_default();
        tell(state, context, &before, &spec);
        if before.policy_yaml != spec.policy_yaml {
            state.policy_revision += 1;
        }
        state.spec_revision += 1;
        state.settings = Arc::new(spec.settings.as_ref().map_or_else(default_settings, effective));
        state.pools = pools.into_iter().map(|pool| (pool.name.clone(), pool)).collect();
        let told = std::mem::take(&mut state.pool_metrics).into_iter();
        state.pool_metrics = told.filter(|(name, _)| state.pools.contains_key(name)).collect();
        state.spec = Some(Arc::new(spec));
    }
    Ok(Accepted { revision: state.spec_revision, ..Accepted::default() })
}

/// A pool or a provider that goes while it has machines would leave them to nobody.
fn check_removals(state: &FleetState, spec: &FleetSpec) -> Result<(), Refusal> {
    for name in state.pools.keys() {
        let occupancy = state.instances.counts(name.as_str()).occupancy();
        if occupancy > 0 && find_pool(spec, name.as_str()).is_none() {
            return Err(Refusal::precondition(format!(
                "pool {name} has {occupancy} instances that are not known to be gone; set its \
                 min_nodes to 0, scale it to 0 and remove it once they are"
            )));
        }
    }
    let Some(before) = &state.spec else {
        return Ok(());
    };
    for provider in &before.providers {
        let machines = state.instances.occupying(&provider.name);
        if machines > 0 && !spec.providers.iter().any(|kept| kept.name == provider.name) {
            return Err(Refusal::precondition(format!(
                "provider {} has {machines} instances that are not known to be gone, which nobody \
                 else can give back; remove it once they are",
                provider.name
            )));
        }
    }
    Ok(())
}

fn find_pool<'a>(spec: &'a FleetSpec, name: &str) -> Option<&'a PoolSpec> {
    let place = spec.pools.binary_search_by(|pool| pool.name.as_str().cmp(name)).ok()?;
    spec.pools.get(place)
}

/// The pools' records under a new specification.
fn checked_pools(
    state: &FleetState,
    spec: &FleetSpec,
    context: &Context<'_>,
) -> Result<Vec<Arc<Pool>>, Refusal> {
    let before = state.spec.as_deref();
    let mut pools = Vec::with_capacity(spec.pools.len());
    for after in &spec.pools {
        let pool = match state.pools.get(after.name.as_str()) {
            None => new_pool(after)?,
            Some(pool) => {
                let same = before.and_then(|spec| find_pool(spec, &after.name)) == Some(after);
                if same { pool.clone() } else { changed_pool(pool, after, context) }
            }
        };
        pools.push(pool);
    }
    Ok(pools)
}

fn new_pool(spec: &PoolSpec) -> Result<Arc<Pool>, Refusal> {
    Ok(Arc::new(Pool {
        name: PoolName::new(&spec.name)?,
        target: spec.min_nodes,
        revision: Revision(1),
        reason: Arc::from("its minimum"),
        held_reason: Arc::default(),
        replacement_held: Arc::default(),
        paused: false,
        decision: None,
        cooldown_until: None,
        hold_until: None,
        choices: 0,
        replaced_at: Vec::new(),
    }))
}

fn changed_pool(pool: &Pool, spec: &PoolSpec, context: &Context<'_>) -> Arc<Pool> {
    let target = pool.target.clamp(spec.min_nodes, spec.max_nodes);
    let reason = if target == pool.target {
        pool.reason.clone()
    } else {
        Arc::from(format!("held to the limits that {} set", context.actor))
    };
    Arc::new(Pool { target, reason, revision: pool.revision.next(), ..pool.clone() })
}

/// What the journal says of the change.
fn tell(state: &FleetState, context: &mut Context<'_>, before: &FleetSpec, after: &FleetSpec) {
    let event = Event::new(EventKind::FleetSpecApplied, Subject::Fleet).change(
        "spec_revision",
        state.spec_revision,
        state.spec_revision + 1,
    );
    context.emit(event);
    if before.policy_yaml != after.policy_yaml {
        let event = Event::new(EventKind::PolicyChanged, Subject::Fleet).change(
            "policy_revision",
            state.policy_revision,
            state.policy_revision + 1,
        );
        context.emit(event);
    }
    tell_providers(context, before, after);
    tell_pools(state, context, before, after);
}

fn tell_providers(context: &mut Context<'_>, before: &FleetSpec, after: &FleetSpec) {
    for provider in &after.providers {
        let subject = Subject::Provider(&provider.name);
        match before.providers.iter().find(|known| known.name == provider.name) {
            None => context.emit(Event::new(EventKind::ProviderAdded, subject).change(
                "type",
                "",
                &provider.r#type,
            )),
            Some(known) if known != provider => context.emit(
                Event::new(EventKind::ProviderChanged, subject)
                    .change("type", &known.r#type, &provider.r#type)
                    .change("region", &known.region, &provider.region)
                    .change("zone", &known.zone, &provider.zone)
                    .change("url", &known.url, &provider.url),
            ),
            Some(_) => {}
        }
    }
    for provider in &before.providers {
        if !after.providers.iter().any(|kept| kept.name == provider.name) {
            let subject = Subject::Provider(&provider.name);
            context.emit(Event::new(EventKind::ProviderRemoved, subject));
        }
    }
}

fn tell_pools(
    state: &FleetState,
    context: &mut Context<'_>,
    before: &FleetSpec,
    after: &FleetSpec,
) {
    for pool in &after.pools {
        let subject = Subject::Pool(&pool.name);
        match find_pool(before, &pool.name) {
            None => context.emit(
                Event::new(EventKind::PoolCreated, subject)
                    .change("target", "", pool.min_nodes)
                    .change("min_nodes", "", pool.min_nodes)
                    .change("max_nodes", "", pool.max_nodes),
            ),
            Some(known) if known != pool => {
                let target = state.pools.get(pool.name.as_str()).map_or(0, |pool| pool.target);
                context.emit(
                    Event::new(EventKind::PoolChanged, subject)
                        .change("target", target, target.clamp(pool.min_nodes, pool.max_nodes))
                        .change("min_nodes", known.min_nodes, pool.min_nodes)
                        .change("max_nodes", known.max_nodes, pool.max_nodes)
                        .change("instance_type", &known.instance_type, &pool.instance_type)
                        .change("strategy", &known.strategy, &pool.strategy),
                );
            }
            Some(_) => {}
        }
    }
    for pool in &before.pools {
        if find_pool(after, &pool.name).is_none() {
            context.emit(Event::new(EventKind::PoolRemoved, Subject::Pool(&pool.name)));
        }
    }
}
