use std::sync::Arc;

use navarch_fleet::{BreakerKey, BreakerScope, FleetState, LogTime};
use navarch_proto::{
    api::{BreakerInfo, ListBreakersRequest, ListBreakersResponse},
    fleet,
};
use tonic::Status;

use crate::api::call::{Answer, Call};

/// Lists every breaker that there could be, the fleet's first.
pub(in crate::api) async fn list_breakers(
    call: Call,
    _: ListBreakersRequest,
) -> Result<Answer<ListBreakersResponse>, Status> {
    let view = call.view().await?;
    let now = LogTime::from_ms(call.api.ledger.log_time_ms());
    let keys = view.fleet.all_breakers();
    let breakers = keys.iter().map(|key| view.fleet.breaker_info(key, now)).collect();
    Ok(Answer { message: ListBreakersResponse { breakers }, index: view.index })
}

/// The breaker that a caller names; a zone's bare name will do where only one zone has it. Whether there is such a
/// group, apply says.
pub(super) fn named(fleet: &FleetState, scope: &str, name: &str) -> Result<BreakerKey, Status> {
    let scope =
        BreakerScope::ALL.into_iter().find(|one| one.as_str() == scope).ok_or_else(|| {
            Status::invalid_argument(format!(
                "{scope:?} is no scope of a breaker; give fleet, pool or zone"
            ))
        })?;
    let key = BreakerKey { scope, name: Arc::from(name) };
    if scope != BreakerScope::Zone || fleet.breaker(&key).is_some() {
        return Ok(key);
    }
    let bare: Vec<_> = fleet.zones().filter(|(zone, _)| *zone.zone == *name).collect();
    match bare.as_slice() {
        [(zone, _)] => Ok(BreakerKey::zone(zone)),
        [] => Ok(key),
        several => {
            let names: Vec<_> = several.iter().map(|(zone, _)| zone.to_string()).collect();
            Err(Status::invalid_argument(format!(
                "{} zones are called {name:?}; give one in full: {}",
                several.len(),
                names.join(", ")
            )))
        }
    }
}

/// A scope as proposals name it.
pub(super) fn wire_scope(scope: BreakerScope) -> fleet::BreakerScope {
    match scope {
        BreakerScope::Fleet => fleet::BreakerScope::Fleet,
        BreakerScope::Pool => fleet::BreakerScope::Pool,
        BreakerScope::Zone => fleet::BreakerScope::Zone,
    }
}

/// One breaker in a line: `pool training is open: 6 silent of 9 ...`.
pub(super) fn line(info: &BreakerInfo) -> String {
    let name = match (info.scope.as_str(), info.name.as_str()) {
        ("fleet", _) => "the fleet".to_owned(),
        ("pool", "") => "the nodes without a pool".to_owned(),
        (scope, name) => format!("{scope} {name}"),
    };
    let state = if info.open { "open" } else { "closed" };
    if info.r#override.is_empty() {
        return format!("{name} is {state}: {}", info.reason);
    }
    format!("{name} is {state} by {}: {}", info.override_by, info.override_reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it an override could meet another zone than the one that was meant, or a scope that nobody knows.
    #[test]
    fn scopes_are_words_and_names_are_kept() {
        let fleet = FleetState::default();
        assert_eq!(named(&fleet, "pool", "a").unwrap(), BreakerKey::pool("a"));
        assert_eq!(&*named(&fleet, "zone", "a/b/c").unwrap().name, "a/b/c");
        assert!(named(&fleet, "node", "a").unwrap_err().message().contains("fleet, pool or zone"));
    }
}
