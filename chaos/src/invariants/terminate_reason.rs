use std::collections::BTreeSet;

use navarch::fake_cloud::ledger::{Effect, LedgerEntry};
use navarch_proto::api::FleetEvent;

use super::Invariant;
use crate::{checkers::Findings, evidence::Evidence};

/// Each machine that replicas give back is so for a reason that stands in the journal, and is ours.
#[derive(Clone, Copy, Debug)]
pub struct TerminateReason;

impl Invariant for TerminateReason {
    fn name(&self) -> &'static str {
        "terminate-reason"
    }

    fn claim(&self) -> &'static str {
        "each machine that is given back is so for a reason in the journal"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        let Some(ledger) = &evidence.ledger else { return findings };
        let reasons = reasons(evidence.journal());
        let ended =
            |entry: &&LedgerEntry| entry.effect == Effect::Terminated && entry.method == "DELETE";
        for entry in ledger.iter().filter(ended) {
            findings.checked(1);
            let machine = entry.instance_id.as_deref().unwrap_or_default();
            let order = entry.idempotency_key.as_deref().unwrap_or_default();
            findings.expect(reasons.contains(order) || reasons.contains(machine), || {
                format!("machine {machine} of order {order} ended for no reason")
            });
            findings.expect(!evidence.strangers.contains(machine), || {
                format!("machine {machine} is somebody else's, and was ended")
            });
        }
        findings.figure(format!("{} instances have a reason to end", reasons.len()));
        findings
    }
}

/// Instances, and machines of orphans, that the journal says were given back, each with a reason.
fn reasons(events: &[FleetEvent]) -> BTreeSet<&str> {
    const KINDS: [&str; 3] = ["instance-terminating", "instance-failed", "orphan-found"];
    let told =
        events.iter().filter(|event| KINDS.contains(&&*event.kind) && !event.reason.is_empty());
    told.flat_map(|event| {
        let machine = event.changes.iter().find(|change| change.field == "provider_ref");
        let id = event.subject.strip_prefix("instance/");
        id.into_iter().chain(machine.map(|change| change.after.as_str()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::{changing, event, given_back, told},
        record::Verdict::{Held, Violated},
    };

    /// Without it a machine could be given back under a running job, and nobody could tell why.
    #[test]
    fn an_end_without_a_reason_is_found() {
        let terminating = |reason| event(1, "instance/i1", "instance-terminating", reason);
        let orphan =
            changing(event(1, "instance/o", "orphan-found", "no record"), "provider_ref", "m-i1");
        let table = [
            (terminating("scaled down"), Held),
            (orphan, Held),
            (terminating(""), Violated),
            (event(1, "instance/i2", "instance-terminating", "scaled down"), Violated),
        ];
        for (event, expected) in table {
            let mut evidence = told(vec![event], vec![given_back(2, 1, "i1")]);
            assert_eq!(TerminateReason.check(&evidence).verdict(), expected);
            evidence.strangers.insert("m-i1".to_owned());
            assert_eq!(TerminateReason.check(&evidence).verdict(), Violated, "it is not ours");
        }
    }
}
