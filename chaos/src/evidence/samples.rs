//! Bits of evidence for tests.

use navarch::fake_cloud::ledger::{Effect, LedgerEntry};
use navarch_proto::{api, timestamp::from_unix_ms};

use super::Evidence;
use crate::history::{Operation, Recorder, Value};

/// A machine was bought for `order`, by `session`; it has the id `m-<order>`.
pub(crate) fn bought(at_ms: u64, session: u64, order: &str) -> LedgerEntry {
    entry(at_ms, session, order, ("POST", Effect::Created))
}

/// The machine of `order` was given back, by `session`.
pub(crate) fn given_back(at_ms: u64, session: u64, order: &str) -> LedgerEntry {
    entry(at_ms, session, order, ("DELETE", Effect::Terminated))
}

fn entry(at_ms: u64, session: u64, order: &str, (method, effect): (&str, Effect)) -> LedgerEntry {
    LedgerEntry {
        seq: at_ms,
        at_ms,
        method: method.to_owned(),
        session: Some(session),
        idempotency_key: Some(order.to_owned()),
        instance_id: Some(format!("m-{order}")),
        effect,
        live_by_pool: [("a".to_owned(), 1)].into(),
        caller: String::new(),
    }
}

/// An entry of the journal, at index and millisecond `at`.
pub(crate) fn event(at: u64, subject: &str, kind: &str, reason: &str) -> api::FleetEvent {
    api::FleetEvent {
        index: at,
        time: Some(from_unix_ms(at)),
        subject: subject.to_owned(),
        kind: kind.to_owned(),
        reason: reason.to_owned(),
        ..Default::default()
    }
}

/// The same with a field that it changes.
pub(crate) fn changing(mut event: api::FleetEvent, field: &str, after: &str) -> api::FleetEvent {
    let (field, after) = (field.to_owned(), after.to_owned());
    event.changes.push(api::FieldChange { field, before: String::new(), after });
    event
}

/// The opening of `session`.
pub(crate) fn opening(at: u64, session: u64) -> api::FleetEvent {
    changing(event(at, "fleet", "session-opened", ""), "session", &session.to_string())
}

/// Evidence of one replica's journal, and of a ledger.
pub(crate) fn told(journal: Vec<api::FleetEvent>, ledger: Vec<LedgerEntry>) -> Evidence {
    let journals = [("r1".to_owned(), journal)].into();
    Evidence { journals, ledger: Some(ledger), ..Evidence::default() }
}

/// A client added `a` to a set, and at the end the set has `elements`, each so often.
pub(crate) fn added_a_and_found(elements: &[(&str, u64)]) -> Evidence {
    let recorder = Recorder::default();
    let add = Operation::Add { set: "nodes".to_owned(), element: "a".to_owned() };
    recorder.invoke(0, 0, add).ok(0, None, None);
    let elements = elements.iter().map(|&(element, times)| (element.to_owned(), times));
    let scan = Operation::Scan { set: "nodes".to_owned(), replica: "r1".to_owned() };
    let value = Some(Value::Elements(elements.collect()));
    recorder.invoke(0, 0, scan).ok(0, value, None);
    Evidence { history: recorder.events(), ..Evidence::default() }
}
