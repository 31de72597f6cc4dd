use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use navarch_host::Moment;
use rand::{RngExt as _, seq::IteratorRandom as _};
use serde::Serialize;

use crate::history::Recorder;

/// Violations, and messages of failed calls, that are kept in words; further ones are counted.
const MOST_WORDS: usize = 20;

/// What clients tried, what they were told, and what was wrong with it. Shared by all clients of a run.
#[derive(Debug, Default)]
pub struct History {
    record: Mutex<Record>,
    recorder: Recorder,
}

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
    /// Nodes whose registration was acknowledged, in that order.
    nodes: Vec<String>,
    /// Registers that were set at least once.
    registers: BTreeSet<String>,
    orders: Vec<Order>,
    /// When the youngest write that was acknowledged had begun.
    youngest: Option<Moment>,
    violations: Vec<String>,
    further_violations: u64,
    failures: Vec<String>,
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
    /// Where every call is taken down.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

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
        if record.violations.len() < MOST_WORDS {
            record.violations.push(what);
        } else {
            record.further_violations += 1;
        }
    }

    /// Notes that a node's registration was acknowledged.
    pub(super) fn has_node(&self, node_id: String, begun: Moment) {
        let mut record = self.lock();
        record.wrote(begun);
        record.nodes.push(node_id);
    }

    /// Notes that setting a register was acknowledged.
    pub(super) fn has_register(&self, register: &str, begun: Moment) {
        let mut record = self.lock();
        record.wrote(begun);
        if !record.registers.contains(register) {
            record.registers.insert(register.to_owned());
        }
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
        let any = match record.nodes.len() {
            0 => return None,
            count if newest => count - 1,
            count => rand::rng().random_range(0..count),
        };
        record.nodes.get(any).cloned()
    }

    /// A register that was set at least once.
    pub(super) fn some_register(&self) -> Option<String> {
        self.lock().registers.iter().choose(&mut rand::rng()).cloned()
    }

    /// All orders.
    pub(super) fn orders(&self) -> Vec<Order> {
        self.lock().orders.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn wrote(&mut self, begun: Moment) {
        self.counts.writes += 1;
        self.youngest = self.youngest.max(Some(begun));
    }
}
