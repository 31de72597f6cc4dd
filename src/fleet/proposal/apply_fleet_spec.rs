use std::sync::Arc;

use navarch_proto::fleet::{Accepted, ApplyFleetSpec, FleetSpec, PoolSpec};

use super::{retirement, shared, spec_check};
use crate::{
    event::{Context, Event, EventKind, Subject},
    ids::{PoolName, Revision},
    model::{Cooldown, Pool},
    outcome::Refusal,
    settings::{default_settings, effective},
    state::FleetState,
};

/// Why something retires.
const LEFT_OUT: &str =
    "left out of the configuration while it has machines, which are given back first";

/// Replaces the fleet's configuration, as a whole or not at all. New pools start at their minimum; known
/// ones keep their target, held to the new limits; what is left out and has machines retires.
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
    let spec = retirement::with_retiring(state, spec, proposal.force)?;
    spec_check::check_size(&spec)?;
    let pools = checked_pools(state, &spec, context)?;
    let before = state.spec.clone();
    if before.as_deref() != Some(&spec) {
        let before = before.unwrap_or_default();
        tell(state, context, &before, &spec);
        spare_replaced(state, context, &before, &spec);
        if before.policy_yaml != spec.policy_yaml {
            state.policy_revision += 1;
            // They were on the rules of another policy.
            state.rule_remarks.clear();
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

/// A pool in a specification that is in order.
pub(super) fn find_pool<'a>(spec: &'a FleetSpec, name: &str) -> Option<&'a PoolSpec> {
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
                let known = before.and_then(|spec| find_pool(spec, &after.name));
                let same = known == Some(after);
                let size = state.instances.counts(&after.name).size();
                match same {
                    true => pool.clone(),
                    false => changed_pool((pool, size), (known, after), context),
                }
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
        cooldown: Cooldown::default(),
        hold_until: None,
        choices: 0,
        replaced_at: Vec::new(),
    }))
}

fn changed_pool(
    (pool, size): (&Pool, u32),
    (known, spec): (Option<&PoolSpec>, &PoolSpec),
    context: &Context<'_>,
) -> Arc<Pool> {
    let revision = pool.revision.next();
    if spec.retiring {
        let reason = Arc::from(format!("{} removed it from the configuration", context.actor));
        // A pause holds up removal only if it comes after it.
        let (target, paused) = (0, false);
        return Arc::new(Pool {
            target,
            reason,
            paused,
            revision,
            hold_until: None,
            ..pool.clone()
        });
    }
    let taken_back = known.is_some_and(|known| known.retiring);
    // Its removal has set the target to nothing; what is left of the pool is what is kept.
    let target = if taken_back { size } else { pool.target };
    let target = target.clamp(spec.min_nodes, spec.max_nodes);
    let reason = if taken_back {
        Arc::from(format!("{} took it back into the configuration", context.actor))
    } else if target == pool.target {
        pool.reason.clone()
    } else {
        Arc::from(format!("held to the limits that {} set", context.actor))
    };
    Arc::new(Pool { target, reason, revision, ..pool.clone() })
}

/// A pool that begins to retire replaces nothing: the machine and what was ordered in its place both go.
fn spare_replaced(
    state: &mut FleetState,
    context: &mut Context<'_>,
    before: &FleetSpec,
    after: &FleetSpec,
) {
    for pool in after.pools.iter().filter(|pool| pool.retiring) {
        if find_pool(before, &pool.name).is_some_and(|known| known.retiring) {
            continue;
        }
        let instances = state.instances.in_pool(&pool.name);
        let marked: Vec<_> =
            instances.filter(|one| one.is_being_replaced()).map(|one| one.id.clone()).collect();
        for id in marked {
            shared::keep_instance(state, context, id.as_str(), "its pool is being removed");
        }
    }
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
            Some(known) if provider.retiring && !known.retiring => context.emit(
                Event::new(EventKind::ProviderRetiring, subject)
                    .reason(LEFT_OUT)
                    .change("retiring", false, true),
            ),
            Some(known) if known != provider => context.emit(
                Event::new(EventKind::ProviderChanged, subject)
                    .change("retiring", known.retiring, provider.retiring)
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
                if pool.retiring {
                    let event = Event::new(EventKind::PoolRetiring, subject).reason(LEFT_OUT);
                    context.emit(event.change("target", target, 0));
                    continue;
                }
                context.emit(
                    Event::new(EventKind::PoolChanged, subject)
                        .change("target", target, target.clamp(pool.min_nodes, pool.max_nodes))
                        .change("retiring", known.retiring, pool.retiring)
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
