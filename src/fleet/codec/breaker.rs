use std::sync::Arc;

use navarch_proto::fleet;

use super::record::{RecordError, known};
use crate::{
    ids::Revision,
    model::{Breaker, BreakerCounts, BreakerKey, BreakerOverride, BreakerScope, Opening},
    text::stored,
    time::{LogTime, ms_or_zero},
};

pub(super) fn to_record(key: &BreakerKey, breaker: &Breaker) -> fleet::BreakerRecord {
    let scope = match key.scope {
        BreakerScope::Fleet => fleet::BreakerScope::Fleet,
        BreakerScope::Pool => fleet::BreakerScope::Pool,
        BreakerScope::Zone => fleet::BreakerScope::Zone,
    };
    let opening = breaker.opening.as_ref().map(|opening| fleet::BreakerOpening {
        at_ms: opening.at.as_ms(),
        reason: opening.reason.to_string(),
        counts: Some(to_counts(opening.counts)),
        calm_since_ms: ms_or_zero(opening.calm_since),
    });
    let forced = breaker.forced.as_ref().map(|forced| fleet::BreakerOverride {
        open: forced.open,
        at_ms: forced.at.as_ms(),
        until_ms: forced.until.as_ms(),
        reason: forced.reason.to_string(),
        actor: forced.actor.to_string(),
    });
    fleet::BreakerRecord {
        scope: scope.into(),
        name: key.name.to_string(),
        revision: breaker.revision.0,
        opening,
        resumed_ms: ms_or_zero(breaker.resumed_at),
        r#override: forced,
    }
}

pub(super) fn from_record(
    record: fleet::BreakerRecord,
) -> Result<(BreakerKey, Breaker), RecordError> {
    let scope = match known("scope", record.scope)? {
        fleet::BreakerScope::Fleet => BreakerScope::Fleet,
        fleet::BreakerScope::Pool => BreakerScope::Pool,
        fleet::BreakerScope::Zone => BreakerScope::Zone,
        fleet::BreakerScope::Unspecified => {
            return Err(RecordError::UnknownValue { field: "scope", value: record.scope });
        }
    };
    let breaker = Breaker {
        revision: Revision(record.revision),
        opening: record.opening.map(|opening| Opening {
            at: LogTime::from_ms(opening.at_ms),
            reason: stored(&opening.reason, usize::MAX),
            counts: from_counts(opening.counts.unwrap_or_default()),
            calm_since: LogTime::optional(opening.calm_since_ms),
        }),
        resumed_at: LogTime::optional(record.resumed_ms),
        forced: record.r#override.map(|forced| BreakerOverride {
            open: forced.open,
            at: LogTime::from_ms(forced.at_ms),
            until: LogTime::from_ms(forced.until_ms),
            reason: stored(&forced.reason, usize::MAX),
            actor: stored(&forced.actor, usize::MAX),
        }),
    };
    Ok((BreakerKey { scope, name: Arc::from(record.name) }, breaker))
}

fn to_counts(counts: BreakerCounts) -> fleet::BreakerCounts {
    let BreakerCounts { lost, silent, unhealthy, size } = counts;
    fleet::BreakerCounts { lost, silent, unhealthy, size }
}

fn from_counts(counts: fleet::BreakerCounts) -> BreakerCounts {
    let fleet::BreakerCounts { lost, silent, unhealthy, size } = counts;
    BreakerCounts { lost, silent, unhealthy, size }
}
