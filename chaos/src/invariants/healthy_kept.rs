use std::collections::BTreeMap;

use navarch::fake_cloud::ledger::Effect;
use navarch_proto::timestamp::to_unix_ms;

use super::Invariant;
use crate::{
    checkers::Findings,
    evidence::{Beating, Evidence, Window},
};

/// Nothing ends a machine whose node kept beating, or declares such a node lost, in a failover or whenever else a run looks.
/// What the run itself had given back does not count.
#[derive(Clone, Copy, Debug)]
pub struct HealthyKept;

impl Invariant for HealthyKept {
    fn name(&self) -> &'static str {
        "healthy-kept"
    }

    fn claim(&self) -> &'static str {
        "a failover ends no node that kept beating, and declares none lost"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        let ends = ends(evidence);
        let mut pairs = 0_usize;
        for failover in &evidence.failovers {
            for Beating { node_id, machine, window } in &evidence.beating {
                if !overlap(window, failover) {
                    continue;
                }
                pairs += 1;
                let named = [node_id.as_str(), machine.as_str()];
                for (at_ms, what) in named.iter().filter_map(|name| ends.get(name)).flatten() {
                    findings.expect(!(failover.holds(*at_ms) && window.holds(*at_ms)), || {
                        format!("{what} at {at_ms}, and {node_id} beat all the time")
                    });
                }
            }
        }
        findings.checked(pairs);
        findings.figure(format!("{} stretches of beating", evidence.beating.len()));
        findings
    }
}

/// When nodes were declared lost, and machines given back, by the ids of both.
fn ends(evidence: &Evidence) -> BTreeMap<&str, Vec<(u64, String)>> {
    let mut ends: BTreeMap<&str, Vec<(u64, String)>> = BTreeMap::new();
    for event in evidence.journal().iter().filter(|event| event.kind == "node-lost") {
        let node = event.subject.strip_prefix("node/").unwrap_or(&event.subject);
        let at_ms = event.time.as_ref().map_or(0, to_unix_ms);
        ends.entry(node).or_default().push((at_ms, format!("node {node} was declared lost")));
    }
    for entry in evidence.ledger.iter().flatten() {
        let machine = entry.instance_id.as_deref().unwrap_or_default();
        let order = entry.idempotency_key.as_deref().unwrap_or_default();
        let wanted = [machine, order].iter().any(|id| evidence.given_back.contains(*id));
        if entry.effect == Effect::Terminated && entry.method == "DELETE" && !wanted {
            let told = format!("machine {machine} was given back");
            ends.entry(machine).or_default().push((entry.at_ms, told));
        }
    }
    ends
}

fn overlap(one: &Window, other: &Window) -> bool {
    one.from_ms <= other.until_ms && other.from_ms <= one.until_ms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::{event, given_back, told},
        record::Verdict::{Held, Unknown, Violated},
    };

    fn window(from_ms: u64, until_ms: u64) -> Window {
        Window { from_ms, until_ms }
    }

    /// Without it a new leader could take the silence of its own birth for the death of nodes.
    #[test]
    fn ends_of_beating_nodes_in_a_failover_are_found() {
        let table = [
            (window(0, 50), vec![], vec![], Held),
            (window(0, 50), vec![given_back(30, 1, "i1")], vec![], Violated),
            (window(0, 50), vec![], vec![event(30, "node/n1", "node-lost", "silent")], Violated),
            (window(0, 50), vec![given_back(45, 1, "i1")], vec![], Held),
            (window(0, 25), vec![given_back(30, 1, "i1")], vec![], Held),
            (window(60, 90), vec![given_back(30, 1, "i1")], vec![], Unknown),
        ];
        for (beat, ledger, journal, expected) in table {
            let mut evidence = told(journal, ledger);
            evidence.failovers = vec![window(20, 40)];
            let (node_id, machine) = ("n1".to_owned(), "m-i1".to_owned());
            evidence.beating = vec![Beating { node_id, machine, window: beat }];
            assert_eq!(HealthyKept.check(&evidence).verdict(), expected, "{evidence:?}");
            if evidence.ledger.as_ref().is_some_and(|ledger| !ledger.is_empty()) {
                evidence.given_back.insert("i1".to_owned());
                assert_ne!(HealthyKept.check(&evidence).verdict(), Violated, "it was asked for");
            }
        }
    }
}
