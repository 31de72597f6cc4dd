use std::collections::{BTreeMap, BTreeSet};

use navarch::fake_cloud::ledger::LedgerEntry;
use navarch_proto::api;

use super::{Beating, CutOff, Receipt, Watch, Window};
use crate::{checkers::states::AppliedState, history::Event};

/// What a run has in hand when it is judged. A part that is empty or absent was not looked at: what rests on it
/// alone is then unknown, never held. Times are milliseconds since the Unix epoch, by the clock of whoever noted
/// them.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What clients asked and were told, scans at the end included.
    pub history: Vec<Event>,
    /// The journal of each replica, read from that replica after all was quiet.
    pub journals: BTreeMap<String, Vec<api::FleetEvent>>,
    /// What watches of the journal told.
    pub watches: Vec<Watch>,
    /// What each replica has applied.
    pub states: Vec<AppliedState>,
    /// The cloud's ledger, whole.
    pub ledger: Option<Vec<LedgerEntry>>,
    /// The machines that the cloud has, by its ids, after all was quiet.
    pub machines: Option<BTreeSet<String>>,
    /// Those machines, by the cloud's ids, that are nobody of ours.
    pub strangers: BTreeSet<String>,
    /// All instance records after all was quiet.
    pub instances: Option<Vec<api::InstanceInfo>>,
    /// All pools after all was quiet.
    pub pools: Option<Vec<api::PoolInfo>>,
    /// The largest `max_nodes` that each pool had.
    pub maxima: BTreeMap<String, u32>,
    /// When nodes kept beating.
    pub beating: Vec<Beating>,
    /// When the group was without a leader, or had a new one, with the time that detectors need added.
    pub failovers: Vec<Window>,
    /// Instances, by our ids or the cloud's, that the run itself asked to be given back.
    pub given_back: BTreeSet<String>,
    /// Parts of pools that were cut off.
    pub cut_offs: Vec<CutOff>,
    /// Commands whose issue was acknowledged, as the group tells them at the end.
    pub commands: Vec<api::CommandInfo>,
    /// What agents noted of the commands that they got.
    pub receipts: Option<Vec<Receipt>>,
}

impl Evidence {
    /// The journal that reaches furthest.
    pub fn journal(&self) -> &[api::FleetEvent] {
        let last = |events: &&Vec<api::FleetEvent>| events.last().map_or(0, |event| event.index);
        self.journals.values().max_by_key(last).map_or(&[], Vec::as_slice)
    }

    /// Whether that journal goes back to the first event of the group.
    pub fn has_whole_journal(&self) -> bool {
        self.journal().first().is_some_and(|event| event.index == 1)
    }
}
