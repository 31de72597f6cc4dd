use std::collections::BTreeMap;

use navarch_proto::api::FleetEvent;
use prost::Message as _;

/// What is seen of a fleet at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// By name.
    pub(super) pools: BTreeMap<String, PoolLook>,
    /// Machines that providers have, by provider and pool.
    pub(super) machines: BTreeMap<(String, String), u32>,
    /// Machines bought so far.
    pub(super) bought: u32,
    /// Dollars for the time that machines were had so far.
    pub(super) spending: f64,
    /// Orders that were answered with more than one machine.
    pub(super) bought_twice: Vec<String>,
}

/// What is seen of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct PoolLook {
    pub(super) target: u32,
    pub(super) size: u32,
    pub(super) healthy: u32,
    /// Mean GPU utilisation in percent, where any node tells.
    pub(super) utilization: Option<f64>,
    /// The most machines that it had at any instant so far.
    pub(super) peak: u32,
}

/// All events so far.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) events: Vec<FleetEvent>,
    /// Orders that take the place of others.
    pub(super) replacements: u32,
    hasher: blake3::Hasher,
}

impl Journal {
    /// Takes the events that came since the last time.
    pub(super) fn extend(&mut self, events: Vec<FleetEvent>) {
        for event in &events {
            let replaces = |change: &navarch_proto::api::FieldChange| change.field == "replaces";
            if event.kind == "instance-requested" && event.changes.iter().any(replaces) {
                self.replacements += 1;
            }
            self.hasher.update(&event.encode_length_delimited_to_vec());
        }
        self.events.extend(events);
    }

    /// The index of the newest event; 0: there is none.
    pub(super) fn last_index(&self) -> u64 {
        self.events.last().map_or(0, |event| event.index)
    }

    /// How many events of a kind there were, of a subject or of any.
    pub(super) fn count(&self, kind: &str, subject: Option<&str>) -> u32 {
        let these = self.events.iter().filter(|event| {
            event.kind == kind && subject.is_none_or(|subject| subject == event.subject)
        });
        u32::try_from(these.count()).unwrap_or(u32::MAX)
    }

    /// BLAKE3 of all events, in hexadecimal.
    pub(super) fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}
