use std::collections::BTreeMap;

use navarch::fake_cloud::ledger::Effect;
use navarch_proto::api::FleetEvent;

use super::Invariant;
use crate::{checkers::Findings, evidence::Evidence};

/// What a leader's session does at a cloud was decided in it or before it. A late effect of an older session is
/// one that was decided while it lasted; after it, only the newer one decides.
#[derive(Clone, Copy, Debug)]
pub struct OneSessionActs;

impl Invariant for OneSessionActs {
    fn name(&self) -> &'static str {
        "one-session-acts"
    }

    fn claim(&self) -> &'static str {
        "what an older session does late was decided in it; a newer one decides alone"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        let Some(ledger) = &evidence.ledger else { return findings };
        let decided = Decisions::of(evidence.journal());
        let (mut newest, mut late) = (0, 0_usize);
        for entry in ledger {
            let Some(session) = entry.session.filter(|session| *session > 0) else { continue };
            let order = entry.idempotency_key.as_deref().unwrap_or_default();
            let machine = entry.instance_id.as_deref().unwrap_or_default();
            let since = match entry.effect {
                Effect::Created => decided.purchases.get(order),
                Effect::Terminated => decided.ends.get(order).or_else(|| decided.ends.get(machine)),
                Effect::None => continue,
            };
            findings.checked(1);
            late += usize::from(session < newest);
            let what = format!("session {session}: {:?} of order {order}", entry.effect);
            match since {
                Some(since) => findings.expect(*since <= session, || {
                    format!("{what}, which was decided in session {since}")
                }),
                None if session < newest => findings.violated(format!(
                    "{what} after session {newest} acted, and nobody decided it"
                )),
                None => {}
            }
            newest = newest.max(session);
        }
        findings.figure(format!("{} sessions, {late} late effects", decided.sessions));
        findings
    }
}

/// In which session each instance's purchase and end were first decided. Every entry of the journal belongs to the
/// session that was opened last before it.
#[derive(Default)]
struct Decisions<'a> {
    purchases: BTreeMap<&'a str, u64>,
    ends: BTreeMap<&'a str, u64>,
    sessions: usize,
}

impl<'a> Decisions<'a> {
    fn of(events: &'a [FleetEvent]) -> Self {
        let (mut decisions, mut session) = (Self::default(), 0);
        for event in events {
            let change = |field: &str| event.changes.iter().find(|change| change.field == field);
            let instance = event.subject.strip_prefix("instance/").unwrap_or_default();
            match event.kind.as_str() {
                "session-opened" => {
                    let opened = change("session").and_then(|change| change.after.parse().ok());
                    session = opened.unwrap_or(session);
                    decisions.sessions += 1;
                }
                "instance-requested" | "instance-adopted" => {
                    decisions.purchases.entry(instance).or_insert(session);
                }
                "instance-terminating" | "instance-failed" | "orphan-found" => {
                    decisions.ends.entry(instance).or_insert(session);
                    if let Some(machine) = change("provider_ref") {
                        decisions.ends.entry(&machine.after).or_insert(session);
                    }
                }
                _ => {}
            }
        }
        decisions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::{bought, event, given_back, opening, told},
        record::Verdict::{Held, Unknown, Violated},
    };

    /// Without it a leader that does not know of its end could go on spending beside its successor.
    #[test]
    fn what_an_older_session_decides_after_its_end_is_found() {
        let journal = vec![
            opening(1, 10),
            event(2, "instance/i1", "instance-requested", "too few"),
            opening(3, 20),
            event(4, "instance/i2", "instance-requested", "too few"),
            event(5, "instance/i1", "instance-terminating", "scaled down"),
        ];
        let table = [
            (vec![], Unknown),
            (vec![bought(1, 10, "i1"), bought(2, 20, "i2")], Held),
            // Late, and of its own time.
            (vec![bought(1, 20, "i2"), bought(2, 10, "i1")], Held),
            // The newer session carries on what the older one began.
            (vec![bought(1, 20, "i1")], Held),
            (vec![bought(1, 10, "i2")], Violated),
            (vec![bought(1, 20, "i2"), bought(2, 10, "i3")], Violated),
            (vec![bought(1, 20, "i1"), given_back(2, 20, "i1")], Held),
            (vec![bought(1, 10, "i1"), given_back(2, 10, "i1")], Violated),
        ];
        for (ledger, expected) in table {
            let evidence = told(journal.clone(), ledger);
            assert_eq!(
                OneSessionActs.check(&evidence).verdict(),
                expected,
                "{:?}",
                evidence.ledger
            );
        }
    }
}
