use std::collections::{BTreeMap, BTreeSet};

use crate::record::{FaultRecord, Injection, RunRecord};

/// How often a fault took place, over all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Injected into processes.
    pub injected: u64,
    /// Injected in simulation.
    pub simulated: u64,
    /// Not tried.
    pub skipped: u64,
    /// Tried, and nobody knows whether it took.
    pub indeterminate: u64,
    /// Why it was skipped or is indeterminate.
    pub why: BTreeSet<String>,
}

impl Coverage {
    /// Of each fault that is named in `runs`; `simulated` has those of simulated seeds.
    pub(super) fn of(
        runs: &[RunRecord],
        simulated: &BTreeMap<String, u64>,
    ) -> BTreeMap<String, Self> {
        let mut all = BTreeMap::<String, Self>::new();
        for fault in runs.iter().flat_map(|run| &run.faults) {
            all.entry(fault.fault.clone()).or_default().count(fault);
        }
        for (fault, count) in simulated {
            all.entry(fault.clone()).or_default().simulated += count;
        }
        all
    }

    fn count(&mut self, fault: &FaultRecord) {
        match fault.injection {
            Injection::Injected => self.injected += 1,
            Injection::Skipped => self.skipped += 1,
            Injection::Indeterminate => self.indeterminate += 1,
        }
        if !fault.why.is_empty() {
            self.why.insert(fault.why.clone());
        }
    }

    /// Whether it took place at least once.
    pub fn took_place(&self) -> bool {
        self.injected + self.simulated > 0
    }
}

/// Whether a fault leaves a leader among the fewer.
pub(super) fn cuts_the_leader_off(fault: &str) -> bool {
    fault.contains("minority") || fault.contains("isolate")
}
