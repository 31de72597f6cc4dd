use std::collections::BTreeSet;

use navarch_proto::{api::FleetEvent, timestamp::to_unix_ms};

use super::Invariant;
use crate::{
    checkers::Findings,
    evidence::{CutOff, Evidence},
};

/// When part of a pool is cut off, machines are replaced within the budget; while a breaker of the pool or the
/// fleet is open, none is.
#[derive(Clone, Copy, Debug)]
pub struct NoMassReplacement;

impl Invariant for NoMassReplacement {
    fn name(&self) -> &'static str {
        "no-mass-replacement"
    }

    fn claim(&self) -> &'static str {
        "a part of a pool that is cut off is replaced within its budget, and never past a breaker"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        let replacements = replacements(evidence.journal());
        for CutOff { pool, percent, window, most_replaced } in &evidence.cut_offs {
            let replaced = replacements.iter().filter(|one| one.pool == pool);
            let replaced = replaced.filter(|one| window.holds(one.at_ms)).count();
            findings.checked(1);
            findings.expect(replaced <= *most_replaced as usize, || {
                format!("{percent} % of {pool}: {replaced} replaced, {most_replaced} may be")
            });
            findings.figure(format!("{percent} % of {pool}: {replaced} replaced"));
        }
        for Replacement { instance, pool, past_a_breaker, .. } in &replacements {
            findings.checked(1);
            findings.expect(!past_a_breaker, || {
                format!("{instance} of {pool} replaces a machine past an open breaker")
            });
        }
        findings
    }
}

/// A machine that was ordered in place of another.
struct Replacement<'a> {
    instance: &'a str,
    pool: &'a str,
    at_ms: u64,
    past_a_breaker: bool,
}

/// The journal is in order, so that what stands after the opening of a breaker came after it.
fn replacements(events: &[FleetEvent]) -> Vec<Replacement<'_>> {
    let (mut replacements, mut open) = (Vec::new(), BTreeSet::new());
    for event in events {
        let change = |field: &str| event.changes.iter().find(|change| change.field == field);
        match event.kind.as_str() {
            "breaker-opened" => drop(open.insert(event.subject.as_str())),
            // While an operator decides in its place, what it says itself binds nobody.
            "breaker-closed" | "breaker-overridden" => drop(open.remove(event.subject.as_str())),
            "instance-requested" if change("replaces").is_some() => {
                let pool = change("pool").map_or("", |change| change.after.as_str());
                let stops = |breaker: &&str| {
                    *breaker == "fleet" || breaker.strip_prefix("pool/") == Some(pool)
                };
                replacements.push(Replacement {
                    instance: &event.subject,
                    pool,
                    at_ms: event.time.as_ref().map_or(0, to_unix_ms),
                    past_a_breaker: open.iter().any(stops),
                });
            }
            _ => {}
        }
    }
    replacements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::{
            Window,
            samples::{changing, event, told},
        },
        record::Verdict::{Held, Violated},
    };

    fn replacement(at: u64) -> FleetEvent {
        let requested = event(at, &format!("instance/{at}"), "instance-requested", "");
        changing(changing(requested, "pool", "a"), "replaces", "i0")
    }

    /// Without it a network that fails could cost a whole pool, and its jobs.
    #[test]
    fn replacements_beyond_the_budget_or_past_a_breaker_are_found() {
        let opened = |at, subject| event(at, subject, "breaker-opened", "many are silent");
        let closed = |at, subject| event(at, subject, "breaker-closed", "calm");
        let table = [
            (vec![], Held),
            (vec![replacement(5), replacement(6)], Held),
            (vec![replacement(5), replacement(6), replacement(7)], Violated),
            (vec![replacement(5), replacement(6), replacement(20)], Held),
            (vec![opened(4, "pool/a"), replacement(5)], Violated),
            (vec![opened(4, "fleet"), replacement(5)], Violated),
            (vec![opened(4, "pool/b"), replacement(5)], Held),
            (vec![opened(3, "pool/a"), closed(4, "pool/a"), replacement(5)], Held),
        ];
        for (journal, expected) in table {
            let mut evidence = told(journal, Vec::new());
            let window = Window { from_ms: 1, until_ms: 10 };
            let pool = "a".to_owned();
            evidence.cut_offs = vec![CutOff { pool, percent: 30, window, most_replaced: 2 }];
            assert_eq!(NoMassReplacement.check(&evidence).verdict(), expected, "{evidence:?}");
        }
    }
}
