use std::sync::Arc;

use navarch_proto::fleet::{Accepted, BreakerForce, OverrideBreaker};

use super::breaker_changes::{check_group, check_revision, key, subject};
use crate::{
    event::{Context, Event, EventKind},
    limits::{LONGEST_OVERRIDE_MS, MAX_BREAKERS, MAX_REASON_BYTES},
    model::{Breaker, BreakerKey, BreakerOverride},
    outcome::Refusal,
    state::FleetState,
    text::stored,
    time::LogTime,
};

/// An operator decides in a breaker's place for a while, or lets it decide again; so does the leader once the time is
/// over.
pub(super) fn apply(
    proposal: &OverrideBreaker,
    state: &mut FleetState,
    context: &mut Context<'_>,
) -> Result<Accepted, Refusal> {
    let key = key(proposal.scope, &proposal.name)?;
    check_group(state, &key)?;
    if proposal.reason.is_empty() {
        return Err(Refusal::invalid(format!(
            "the reason is empty; say why the breaker of {key} is to change"
        )));
    }
    let before = state.breakers.get(&key).map_or_else(Breaker::default, |one| (**one).clone());
    if proposal.breaker_revision != 0 {
        check_revision(&key, proposal.breaker_revision, &before)?;
    }
    let forced = forced(proposal, &key, &before, context)?;
    if state.breakers.len() >= MAX_BREAKERS && !state.breakers.contains_key(&key) {
        return Err(Refusal::exhausted(format!(
            "{MAX_BREAKERS} breakers have a record, which is the limit; those that closed go after a day"
        )));
    }
    let after = changed(&before, forced, context.now);
    context.emit(event(&key, (&before, &after), &proposal.reason, context.now));
    let revision = after.revision.0;
    state.breakers.insert(key, Arc::new(after));
    Ok(Accepted { revision, ..Accepted::default() })
}

/// The override that is asked for; none: an end of the one that there is.
fn forced(
    proposal: &OverrideBreaker,
    key: &BreakerKey,
    before: &Breaker,
    context: &Context<'_>,
) -> Result<Option<BreakerOverride>, Refusal> {
    let open = match BreakerForce::try_from(proposal.force) {
        Ok(BreakerForce::None) if before.forced.is_some() => return Ok(None),
        Ok(BreakerForce::None) => {
            return Err(Refusal::precondition(format!(
                "the breaker of {key} is automatic already; `navarch breaker list` shows those that are not"
            )));
        }
        Ok(BreakerForce::Closed) => false,
        Ok(BreakerForce::Open) => true,
        Err(_) => {
            return Err(Refusal::invalid(format!("{} is no way to force it", proposal.force)));
        }
    };
    let duration_ms = proposal.duration_ms;
    if !(1..=LONGEST_OVERRIDE_MS).contains(&duration_ms) {
        return Err(Refusal::invalid(format!(
            "a breaker cannot be overridden for {} s; give more than 0 and at most {} s (a week), and \
             override it again then",
            duration_ms / 1000,
            LONGEST_OVERRIDE_MS / 1000
        )));
    }
    Ok(Some(BreakerOverride {
        open,
        at: context.now,
        until: context.now.plus_ms(duration_ms),
        reason: stored(&proposal.reason, MAX_REASON_BYTES),
        actor: Arc::from(context.actor),
    }))
}

/// Where this lets losses go on, silence counts from now. What was calm before is counted anew.
fn changed(before: &Breaker, forced: Option<BreakerOverride>, now: LogTime) -> Breaker {
    let mut after = Breaker { forced, revision: before.revision.next(), ..before.clone() };
    after.resumed_at = before.resumed(now);
    if before.is_open(now) && !after.is_open(now) {
        after.resumed_at = Some(now);
    }
    if let Some(opening) = &mut after.opening {
        opening.calm_since = None;
    }
    after
}

fn event(
    key: &BreakerKey,
    (before, after): (&Breaker, &Breaker),
    reason: &str,
    now: LogTime,
) -> Event {
    let kind = match after.forced {
        Some(_) => EventKind::BreakerOverridden,
        None => EventKind::BreakerReset,
    };
    let state = |breaker: &Breaker| if breaker.is_open(now) { "open" } else { "closed" };
    let word = |breaker: &Breaker| match &breaker.forced {
        Some(forced) if forced.open => "open",
        Some(_) => "closed",
        None => "automatic",
    };
    let until = |breaker: &Breaker| {
        let until = breaker.forced.as_ref().map(|forced| forced.until.as_ms().to_string());
        until.unwrap_or_default()
    };
    Event::new(kind, subject(key))
        .reason(reason)
        .change("breaker", state(before), state(after))
        .change("override", word(before), word(after))
        .change("until_ms", until(before), until(after))
}
