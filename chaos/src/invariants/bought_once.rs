use std::collections::BTreeSet;

use navarch::fake_cloud::ledger::Effect;

use super::Invariant;
use crate::{checkers::Findings, evidence::Evidence};

/// For each order at most one machine is bought, ever.
#[derive(Clone, Copy, Debug)]
pub struct BoughtOnce;

impl Invariant for BoughtOnce {
    fn name(&self) -> &'static str {
        "bought-once"
    }

    fn claim(&self) -> &'static str {
        "at most one machine is bought for each order, ever"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        let Some(ledger) = &evidence.ledger else { return findings };
        let mut orders = BTreeSet::new();
        for entry in ledger.iter().filter(|entry| entry.effect == Effect::Created) {
            findings.checked(1);
            let Some(order) = &entry.idempotency_key else {
                findings.violated(format!("bought without an order: {entry:?}"));
                continue;
            };
            findings.expect(orders.insert(order), || format!("bought twice: {entry:?}"));
        }
        findings.figure(format!("{} machines, none twice for one order", orders.len()));
        findings
    }
}

#[cfg(test)]
mod tests {
    use navarch::fake_cloud::ledger::LedgerEntry;

    use super::*;
    use crate::{
        evidence::samples::{bought, given_back, told},
        record::Verdict::{Held, Unknown, Violated},
    };

    /// Without it a second machine could be bought for one order, and be paid for ever.
    #[test]
    fn a_second_machine_is_found() {
        let nameless = LedgerEntry { idempotency_key: None, ..bought(1, 1, "i1") };
        let table = [
            (vec![], Unknown),
            (vec![bought(1, 1, "i1"), given_back(2, 1, "i1"), bought(3, 1, "i2")], Held),
            (vec![bought(1, 1, "i1"), given_back(2, 1, "i1"), bought(3, 1, "i1")], Violated),
            (vec![nameless], Violated),
        ];
        for (ledger, expected) in table {
            assert_eq!(BoughtOnce.check(&told(Vec::new(), ledger)).verdict(), expected);
        }
    }
}
