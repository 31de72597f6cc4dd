//! Why a pool, a node or an instance is as it is, from the records alone: any replica can say.

mod instance;
mod node;
mod pool;

use navarch_fleet::{BreakerKey, FleetState, LogTime};
use navarch_proto::api::{ExplainRequest, ExplainResponse, Finding, FleetEvent};
use tonic::Status;

use super::list_events::concerns;
use crate::api::call::{Answer, Call};

/// Events of the journal in an answer at most.
const MAX_EVENTS: usize = 20;

/// Explains one subject.
pub(in crate::api) async fn explain(
    call: Call,
    request: ExplainRequest,
) -> Result<Answer<ExplainResponse>, Status> {
    let view = call.view().await?;
    let (kind, id) = request.subject.split_once('/').unwrap_or_default();
    let now = LogTime::from_ms(call.api.ledger.log_time_ms());
    let fleet = &view.fleet;
    let explained = match kind {
        "pool" => pool::explain(fleet, id, &call.api.autoscalers, now),
        "node" => node::explain(fleet, id, now),
        "instance" => instance::explain(fleet, id, now),
        _ => Err(Status::invalid_argument(format!(
            "{:?} is no subject; give pool/NAME, node/ID or instance/ID",
            request.subject
        ))),
    }?;
    let events = newest_events(fleet, &request.subject);
    let message = ExplainResponse { subject: request.subject, events, ..explained };
    Ok(Answer { message, index: view.index })
}

/// The newest events about `subject`, oldest first.
fn newest_events(fleet: &FleetState, subject: &str) -> Vec<FleetEvent> {
    let all = fleet.events_since(0, usize::MAX).filter(|event| concerns(event, subject));
    let all: Vec<_> = all.collect();
    let skipped = all.len().saturating_sub(MAX_EVENTS);
    all[skipped..].iter().map(|event| FleetEvent::clone(event)).collect()
}

fn finding(topic: &str, text: impl Into<String>) -> Finding {
    Finding { topic: topic.to_owned(), text: text.into() }
}

/// The breakers among those that are open or overridden.
fn breakers(
    fleet: &FleetState,
    keys: impl IntoIterator<Item = BreakerKey>,
    now: LogTime,
) -> Vec<Finding> {
    let told = keys.into_iter().filter_map(|key| {
        let breaker = fleet.breaker(&key)?;
        let forced = breaker.force(now);
        let word = match (breaker.is_open(now), forced.is_some()) {
            (true, false) => "stopped by the breaker of",
            (true, true) => "stopped by an operator, who forced open the breaker of",
            (false, true) => "not stopped: an operator forced closed the breaker of",
            (false, false) => return None,
        };
        let since = breaker.open_since(now).map(|at| format!(", {}", when(at, now)));
        let until = forced.map(|forced| format!(", until {}", when(forced.until, now)));
        let calm = breaker.opening.as_ref().and_then(|opening| opening.calm_since);
        let calm = calm.map(|at| format!("; calm since {}", when(at, now)));
        let text = format!(
            "losses and replacements are {word} {key}{}{}: {}{}",
            since.unwrap_or_default(),
            until.unwrap_or_default(),
            breaker.reason(now),
            calm.unwrap_or_default()
        );
        Some(finding("breaker", text))
    });
    told.collect()
}

/// `40 s ago` or `in 40 s`.
fn when(at: LogTime, now: LogTime) -> String {
    let (at, now) = (at.as_ms(), now.as_ms());
    match at > now {
        true => format!("in {} s", (at - now).div_ceil(1_000)),
        false => format!("{} s ago", (now - at) / 1_000),
    }
}
