use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use navarch_host::Moment;
use rand::RngExt as _;
use serde::Serialize;

/// Violations of a kind, and messages of failed calls, that are kept in words; further ones are counted.
const MOST_WORDS: usize = 20;

/// What clients tried, what they were told, and what was wrong with it. Shared by all clients of a run.
#[derive(Debug, Default)]
pub struct History(Mutex<Record>);

/// How much was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Acknowledged writes, repeats not counted.
    pub writes: u64,
    /// Writes whose result is unknown or that were refused.
    pub failed_writes: u64,
    /// Acknowledged calls that repeated a write under its request id.
    pub repeats: u64,
    /// Linearizable reads that were answered.
    pub reads: u64,
    /// Reads that were not, for lack of a leader or of the replica.
    pub failed_reads: u64,
}

#[derive(Debug, Default)]
struct Record {
    counts: Counts,
    /// Nodes that were registered once, and whether that was acknowledged.
    nodes: BTreeMap<String, bool>,
    /// Those acknowledged, in that order.
    acknowledged: Vec<String>,
    registers: BTreeMap<String, Register>,
    orders: Vec<Order>,
    /// When the youngest write that was acknowledged had begun.
    youngest: Option<Moment>,
    violations: Vec<String>,
    further_violations: u64,
    failures: Vec<String>,
}

/// A node that one client registers again and again with a version that only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Register {
    /// The newest version that was sent.
    pub(super) tried: u64,
    /// The newest version that was acknowledged.
    pub(super) acknowledged: u64,
}

/// A command that was sent more than once under one request id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// The node that it is for, which gets no other.
    pub(super) node_id: String,
    /// The request id.
    pub(super) request_id: String,
    /// The ids under which it was acknowledged: one, if all is well.
    pub(super) command_ids: BTreeSet<String>,
}

impl History {
    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// When the youngest write that was acknowledged had begun.
    pub fn youngest_write(&self) -> Option<Moment> {
        self.lock().youngest
    }

    /// What was found wrong, in words.
    pub fn violations(&self) -> Vec<String> {
        let record = self.lock();
        let mut violations = record.violations.clone();
        if record.further_violations > 0 {
            violations.push(format!("and {} more", record.further_violations));
        }
        violations
    }

    /// Why writes failed, in words.
    pub fn failures(&self) -> Vec<String> {
        self.lock().failures.clone()
    }

    /// Notes something that must not be.
    pub(super) fn violated(&self, what: String) {
        let mut record = self.lock();
        // Many of one kind must not hide that there is another.
        let kind = what.split(':').next().unwrap_or_default();
        let alike = record.violations.iter().filter(|known| known.starts_with(kind)).count();
        if alike < MOST_WORDS {
            record.violations.push(what);
        } else {
            record.further_violations += 1;
        }
    }

    /// Notes that a node is about to be registered.
    pub(super) fn tries_node(&self, node_id: &str) {
        self.lock().nodes.insert(node_id.to_owned(), false);
    }

    /// Notes that a node's registration was acknowledged.
    pub(super) fn has_node(&self, node_id: String, begun: Moment) {
        let mut record = self.lock();
        record.wrote(begun);
        record.nodes.insert(node_id.clone(), true);
        record.acknowledged.push(node_id);
    }

    /// Notes that a register is about to be set to `version`.
    pub(super) fn tries_version(&self, register: &str, version: u64) {
        self.lock().registers.entry(register.to_owned()).or_default().tried = version;
    }

    /// Notes that `version` of a register was acknowledged.
    pub(super) fn has_version(&self, register: &str, version: u64, begun: Moment) {
        let mut record = self.lock();
        record.wrote(begun);
        record.registers.entry(register.to_owned()).or_default().acknowledged = version;
    }

    /// Notes an order and how often it was acknowledged.
    pub(super) fn ordered(&self, order: Order, acknowledged: u64, begun: Moment) {
        let mut record = self.lock();
        if acknowledged > 0 {
            record.wrote(begun);
            record.counts.repeats += acknowledged - 1;
        }
        record.orders.push(order);
    }

    /// Notes a write that failed.
    pub(super) fn failed_write(&self, why: String) {
        let mut record = self.lock();
        record.counts.failed_writes += 1;
        if record.failures.len() < MOST_WORDS {
            record.failures.push(why);
        }
    }

    /// Notes a read, and whether it was answered.
    pub(super) fn read(&self, answered: bool) {
        let counts = &mut self.lock().counts;
        if answered {
            counts.reads += 1;
        } else {
            counts.failed_reads += 1;
        }
    }

    /// A node whose registration was acknowledged: the newest, or any.
    pub(super) fn some_node(&self, newest: bool) -> Option<String> {
        let record = self.lock();
        let any = match record.acknowledged.len() {
            0 => return None,
            count if newest => count - 1,
            count => rand::rng().random_range(0..count),
        };
        record.acknowledged.get(any).cloned()
    }

    /// A register that was acknowledged at least once, with its newest acknowledged version.
    pub(super) fn some_register(&self) -> Option<(String, u64)> {
        let record = self.lock();
        let known = record.registers.iter().filter(|(_, register)| register.acknowledged > 0);
        let known: Vec<_> = known.collect();
        let any = (!known.is_empty()).then(|| rand::rng().random_range(0..known.len()))?;
        known.get(any).map(|(id, register)| ((*id).clone(), register.acknowledged))
    }

    /// Nodes that were to be registered once, and whether that was acknowledged.
    pub(super) fn nodes(&self) -> BTreeMap<String, bool> {
        self.lock().nodes.clone()
    }

    /// All registers.
    pub(super) fn registers(&self) -> BTreeMap<String, Register> {
        self.lock().registers.clone()
    }

    /// All orders.
    pub(super) fn orders(&self) -> Vec<Order> {
        self.lock().orders.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn wrote(&mut self, begun: Moment) {
        self.counts.writes += 1;
        self.youngest = self.youngest.max(Some(begun));
    }
}
