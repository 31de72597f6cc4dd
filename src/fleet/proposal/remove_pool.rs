use std::sync::Arc;

use navarch_proto::fleet::{Accepted, FleetSpec, RemovePool};

use super::shared;
use crate::{
    event::{Context, Event, EventKind, Subject},
    model::BreakerKey,
    outcome::Refusal,
    state::FleetState,
};

/// Ends a retirement: the pool has no machine left.
pub(super) fn apply(
    proposal: &RemovePool,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let pool = shared::pool(state, &proposal.pool)?;
    let name = pool.name.as_str();
    if !state.is_retiring(name) {
        return Err(Refusal::precondition(format!(
            "pool {name} is not being removed; leave it out of the file and apply that"
        )));
    }
    let occupancy = state.instances.counts(name).occupancy();
    if occupancy > 0 {
        return Err(Refusal::precondition(format!(
            "pool {name} has {occupancy} instances that are not known to be gone; it goes once they are"
        )));
    }
    let mut spec = state.spec.as_deref().map_or_else(FleetSpec::default, FleetSpec::clone);
    spec.pools.retain(|known| known.name != name);
    let event = Event::new(EventKind::PoolRemoved, Subject::Pool(name))
        .reason("the last of its machines is gone");
    context.emit(event);
    state.pools.remove(name);
    state.pool_metrics.remove(name);
    state.breakers.remove(&BreakerKey::pool(name));
    state.spec_revision += 1;
    state.spec = Some(Arc::new(spec));
    Ok(Accepted { revision: state.spec_revision, ..Accepted::default() })
}
