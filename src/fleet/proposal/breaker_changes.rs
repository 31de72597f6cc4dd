use std::sync::Arc;

use navarch_proto::fleet;

use crate::{
    event::Subject,
    limits::MAX_BREAKER_NAME_BYTES,
    model::{Breaker, BreakerKey, BreakerScope, Instance, Node},
    outcome::Refusal,
    state::FleetState,
    time::LogTime,
};

/// The breaker that a proposal names.
pub(super) fn key(scope: i32, name: &str) -> Result<BreakerKey, Refusal> {
    let scope = match fleet::BreakerScope::try_from(scope) {
        Ok(fleet::BreakerScope::Fleet) => BreakerScope::Fleet,
        Ok(fleet::BreakerScope::Pool) => BreakerScope::Pool,
        Ok(fleet::BreakerScope::Zone) => BreakerScope::Zone,
        Ok(fleet::BreakerScope::Unspecified) | Err(_) => {
            return Err(Refusal::invalid(format!(
                "{scope} is no scope of a breaker; give fleet, pool or zone"
            )));
        }
    };
    if scope == BreakerScope::Fleet && !name.is_empty() {
        return Err(Refusal::invalid(format!(
            "the breaker of the whole fleet has no name, and {name:?} was given"
        )));
    }
    if name.len() > MAX_BREAKER_NAME_BYTES {
        return Err(Refusal::invalid(format!(
            "the name of the breaker is {} bytes long; the limit is {MAX_BREAKER_NAME_BYTES}",
            name.len()
        )));
    }
    Ok(BreakerKey { scope, name: Arc::from(name) })
}

/// That there is such a group.
pub(super) fn check_group(state: &FleetState, key: &BreakerKey) -> Result<(), Refusal> {
    if state.has_breaker(key) {
        return Ok(());
    }
    let known = state.all_breakers();
    let known = known.iter().filter(|one| one.scope == key.scope && !one.name.is_empty());
    let names: Vec<&str> = known.take(20).map(|one| &*one.name).collect();
    let names = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
    let hint = match key.scope {
        BreakerScope::Zone => "a zone is named provider/region/zone; those of nodes: ",
        BreakerScope::Fleet | BreakerScope::Pool => "pools: ",
    };
    Err(Refusal::not_found(format!(
        "there is no {} {:?}; {hint}{names}",
        key.scope.as_str(),
        &*key.name
    )))
}

/// That a breaker has not moved since the leader looked; 0: it had no record.
pub(super) fn check_revision(
    key: &BreakerKey,
    seen: u64,
    breaker: &Breaker,
) -> Result<(), Refusal> {
    if breaker.revision.0 == seen {
        return Ok(());
    }
    Err(Refusal::stale(format!(
        "the breaker of {key} is at revision {}, and the proposal saw {seen}; look again",
        breaker.revision
    )))
}

/// What its events are about.
pub(super) fn subject(key: &BreakerKey) -> Subject<'_> {
    match key.scope {
        BreakerScope::Fleet => Subject::Fleet,
        BreakerScope::Pool => Subject::Pool(&key.name),
        BreakerScope::Zone => Subject::Zone(&key.name),
    }
}

/// That no open breaker stops the loss of a node.
pub(super) fn check_node(state: &FleetState, node: &Node, now: LogTime) -> Result<(), Refusal> {
    refused(state.stopped_by(node, now), "declared lost", now)
}

/// That no open breaker stops the replacement of a machine.
pub(super) fn check_instance(
    state: &FleetState,
    instance: &Instance,
    now: LogTime,
) -> Result<(), Refusal> {
    refused(state.instance_stopped_by(instance, now), "replaced", now)
}

fn refused(
    stopped: Option<(BreakerKey, &Arc<Breaker>)>,
    what: &str,
    now: LogTime,
) -> Result<(), Refusal> {
    let Some((key, breaker)) = stopped else { return Ok(()) };
    Err(Refusal::precondition(format!(
        "the breaker of {key} is open, so nothing is {what} there: {}; `navarch breaker override` closes it",
        breaker.reason(now)
    )))
}
