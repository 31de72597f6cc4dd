use std::collections::{BTreeMap, HashSet};

use navarch_host::Clock;

use super::{
    faults::Faults,
    ledger::{Change, Effect, LedgerEntry, Line},
};
use crate::provider::fake::{CloudOptions, SimulatedCloud};

/// Who asked, and for what, as the ledger shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) session: Option<u64>,
    pub(super) key: Option<String>,
    pub(super) instance_id: Option<String>,
    pub(super) caller: String,
}

/// What changes together, behind the estate's lock.
pub(super) struct Inner {
    pub(super) cloud: SimulatedCloud,
    pub(super) faults: Faults,
    /// Number of the last line.
    seq: u64,
    /// Time of the last line; the ledger's times never go back.
    pub(super) at_ms: u64,
    /// Delayed orders by idempotency key.
    pub(super) delayed: BTreeMap<String, Delayed>,
}

/// An order that has been accepted and takes effect later.
#[derive(Clone)]
pub(super) struct Delayed {
    pub(super) body: String,
    pub(super) due_ms: u64,
}

/// What one line says besides who asked.
#[derive(Default)]
pub(super) struct Note {
    pub(super) key: Option<String>,
    pub(super) instance_id: Option<String>,
    pub(super) effect: Effect,
    pub(super) change: Option<Change>,
}

impl Inner {
    pub(super) fn new(options: CloudOptions) -> Self {
        Self {
            cloud: SimulatedCloud::new(options),
            faults: Faults::default(),
            seq: 0,
            at_ms: 0,
            delayed: BTreeMap::new(),
        }
    }

    /// Moves to the present, and answers it.
    pub(super) fn advance(&mut self, clock: &Clock) -> u64 {
        self.at_ms = self.at_ms.max(clock.wall_ms());
        self.at_ms
    }

    pub(super) fn line(&mut self, asked: &Asked, note: Note) -> Line {
        self.seq += 1;
        Line {
            entry: LedgerEntry {
                seq: self.seq,
                at_ms: self.at_ms,
                method: asked.method.clone(),
                session: asked.session,
                idempotency_key: note.key.or_else(|| asked.key.clone()),
                instance_id: note.instance_id.or_else(|| asked.instance_id.clone()),
                effect: note.effect,
                live_by_pool: self.cloud.live_by_pool().clone(),
                caller: asked.caller.clone(),
            },
            change: note.change,
        }
    }

    /// Does again what a line says was done.
    pub(super) fn replay(&mut self, line: Line, silent: &mut HashSet<String>) {
        self.seq = line.entry.seq;
        self.at_ms = self.at_ms.max(line.entry.at_ms);
        match line.change {
            Some(Change::Bought { machine, body }) => {
                self.delayed.remove(&machine.idempotency_key);
                self.cloud.restore(*machine, body);
            }
            Some(Change::Ended { id, vanished }) => {
                if vanished {
                    self.cloud.vanish(&id, line.entry.at_ms);
                } else {
                    self.cloud.terminate(&id, line.entry.at_ms);
                }
            }
            Some(Change::Delayed { key, body, due_ms }) => {
                self.delayed.insert(key, Delayed { body, due_ms });
            }
            Some(Change::Dropped { key }) => {
                self.delayed.remove(&key);
            }
            Some(Change::Agent { id, on: true }) => {
                silent.remove(&id);
            }
            Some(Change::Agent { id, on: false }) => {
                silent.insert(id);
            }
            None => {}
        }
    }
}

/// The note of an agent that was switched, if it was.
pub(super) fn agent_note(id: &str, changed: bool, on: bool) -> Note {
    Note { change: changed.then(|| Change::Agent { id: id.to_owned(), on }), ..Note::default() }
}
