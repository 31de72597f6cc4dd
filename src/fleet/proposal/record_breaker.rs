use std::sync::Arc;

use navarch_proto::fleet::{self, Accepted, RecordBreaker};

use super::breaker_changes::{check_revision, key, subject};
use crate::{
    event::{Context, Event, EventKind},
    limits::{MAX_BREAKERS, MAX_REASON_BYTES},
    model::{Breaker, BreakerCounts, BreakerKey, Opening},
    outcome::Refusal,
    state::FleetState,
    text::stored,
    time::LogTime,
};

/// Opens or closes a breaker by what the leader counted, or notes since when an open one has been calm, which is no
/// news. An operator's override stays.
pub(super) fn apply(
    proposal: &RecordBreaker,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let key = key(proposal.scope, &proposal.name)?;
    let before = state.breakers.get(&key).map_or_else(Breaker::default, |one| (**one).clone());
    check_revision(&key, proposal.breaker_revision, &before)?;
    let (counts, calm_since) = (counts(proposal), LogTime::optional(proposal.calm_since_ms));
    let mut after = before.clone();
    let reason = stored(&proposal.reason, MAX_REASON_BYTES);
    let news = match (&mut after.opening, proposal.open) {
        (Some(opening), true) => {
            opening.calm_since = calm_since;
            None
        }
        (None, true) => {
            if state.breakers.len() >= MAX_BREAKERS && !state.breakers.contains_key(&key) {
                return Err(Refusal::exhausted(format!(
                    "{MAX_BREAKERS} breakers have a record, which is the limit; those that closed go \
                     after a day"
                )));
            }
            let reason = Arc::clone(&reason);
            after.opening = Some(Opening { at: context.now, reason, counts, calm_since });
            Some(EventKind::BreakerOpened)
        }
        (Some(_), false) => {
            after.opening = None;
            after.resumed_at = Some(context.now);
            Some(EventKind::BreakerClosed)
        }
        (None, false) => None,
    };
    if let Some(kind) = news {
        context.emit(event(kind, &key, (&reason, counts)));
    }
    if after != before {
        after.revision = before.revision.next();
        state.breakers.insert(key, Arc::new(after.clone()));
    }
    Ok(Accepted { revision: after.revision.0, ..Accepted::default() })
}

fn event(kind: EventKind, key: &BreakerKey, (reason, counts): (&str, BreakerCounts)) -> Event {
    let (before, after) = match kind {
        EventKind::BreakerOpened => ("closed", "open"),
        _ => ("open", "closed"),
    };
    Event::new(kind, subject(key))
        .reason(reason)
        .change("breaker", before, after)
        .change("lost", "", counts.lost)
        .change("silent", "", counts.silent)
        .change("unhealthy", "", counts.unhealthy)
        .change("size", "", counts.size)
}

fn counts(proposal: &RecordBreaker) -> BreakerCounts {
    let fleet::BreakerCounts { lost, silent, unhealthy, size } =
        proposal.counts.unwrap_or_default();
    BreakerCounts { lost, silent, unhealthy, size }
}
