use std::collections::BTreeSet;

use navarch::fake_cloud::ledger::Effect;

use super::Invariant;
use crate::{checkers::Findings, evidence::Evidence};

/// Events by which an instance comes into the records before its machine is bought, or is taken over with it.
const DECISIONS: [&str; 2] = ["instance-requested", "instance-adopted"];

/// Nothing is bought that the group has not decided on before: each purchase carries an order from the journal.
#[derive(Clone, Copy, Debug)]
pub struct IntentFirst;

impl Invariant for IntentFirst {
    fn name(&self) -> &'static str {
        "intent-first"
    }

    fn claim(&self) -> &'static str {
        "nothing is bought that was not decided on before"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        let Some(ledger) = &evidence.ledger else { return findings };
        if !evidence.has_whole_journal() {
            findings.undecided("no journal goes back to the first event");
            return findings;
        }
        let decided: BTreeSet<_> = evidence
            .journal()
            .iter()
            .filter(|event| DECISIONS.contains(&&*event.kind))
            .filter_map(|event| event.subject.strip_prefix("instance/"))
            .collect();
        for entry in ledger.iter().filter(|entry| entry.effect == Effect::Created) {
            let is_strange = |id: &String| evidence.strangers.contains(id);
            if entry.instance_id.as_ref().is_some_and(is_strange) {
                continue;
            }
            findings.checked(1);
            let order = entry.idempotency_key.as_deref().unwrap_or_default();
            findings.expect(decided.contains(order), || {
                format!("machine {:?} of order {order:?} was never decided on", entry.instance_id)
            });
        }
        findings.figure(format!("{} decisions", decided.len()));
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::{bought, event, told},
        record::Verdict::{Held, Unknown, Violated},
    };

    /// Without it a leader could buy first and decide afterwards, and a machine be left that nobody knows.
    #[test]
    fn a_purchase_without_a_decision_is_found() {
        let decision = |at| event(at, "instance/i1", "instance-requested", "too few");
        let table = [
            (vec![decision(1)], "i1", Held),
            (vec![decision(1)], "i2", Violated),
            (vec![decision(7)], "i1", Unknown),
        ];
        for (journal, order, expected) in table {
            let mut evidence = told(journal, vec![bought(1, 1, order)]);
            assert_eq!(IntentFirst.check(&evidence).verdict(), expected);
            evidence.strangers.insert(format!("m-{order}"));
            assert_eq!(IntentFirst.check(&evidence).verdict(), Unknown, "nobody of ours bought it");
        }
    }
}
