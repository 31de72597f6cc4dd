use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use navarch_fleet::{FleetState, Instance, InstanceState, LogTime};
use navarch_host::Moment;

use super::doubts::Doubts;
use crate::provider::{Machine, MachineState, labels};

/// Two listings count as two when they are further apart than this.
const APART: Duration = Duration::from_secs(60);
/// More than this part of a provider's machines missing at once is taken for trouble of the provider's, in percent;
/// the same figure as for silent nodes, since a machine that is missing counts as silent.
const MASS_ABSENCE_PERCENT: usize = 55;
/// Up to this many missing machines are never a mass.
const FEW: usize = 2;
/// At most this part of a pool (but at least one machine) is taken for gone after one listing, in percent.
const GONE_PERCENT: usize = 10;

/// What the complete listings of one provider showed so far that the records do not explain.
#[derive(Default)]
pub(super) struct Sightings {
    /// Machines without a record, or with one that is closed, and since when listings show them.
    unexplained: BTreeMap<String, Moment>,
    /// Records without a machine, and since when listings lack it.
    absent: BTreeMap<String, Moment>,
    /// Orders that were given up waiting for, and since when listings do not show their tag.
    unanswered: BTreeMap<String, Moment>,
}

/// What should be done after a listing.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Findings {
    /// Listed machines with the id of their record: they answer an order, or turned up late.
    pub(super) answers: Vec<(String, Machine)>,
    /// Machines that no record explains, seen twice and old enough.
    pub(super) orphans: Vec<Machine>,
    /// Records whose machine two listings lack.
    pub(super) absent: Vec<Arc<Instance>>,
    /// Why nothing is concluded from what is missing.
    pub(super) mass_absence: Option<String>,
}

/// How a listed machine and the records fit.
enum Fit {
    Explained,
    /// It is what the open order with this id bought.
    Answers(String),
    /// It is of the order with this id, which is closed. A listing may lag, so it needs a second look.
    Late(String),
    Orphan,
}

impl Sightings {
    /// Whether anything needs a second look.
    pub(super) fn suspects(&self) -> bool {
        !(self.unexplained.is_empty() && self.absent.is_empty() && self.unanswered.is_empty())
    }

    /// The ids of the records whose machine the last listing lacked.
    pub(super) fn absent(&self) -> impl Iterator<Item = String> {
        self.absent.keys().cloned()
    }

    /// The orders of `provider` that have been in doubt for longer than the launch time-out and that two complete
    /// listings do not show. Only for one that forgets orders: of any other the answer comes in the end.
    pub(super) fn unanswered(
        &mut self,
        (fleet, doubts): (&FleetState, &Doubts),
        provider: &str,
        machines: &[Machine],
        (now, log_now): (Moment, LogTime),
    ) -> Vec<Arc<Instance>> {
        let tags = machines.iter().filter_map(|one| one.labels.get(labels::INSTANCE));
        let tags: BTreeSet<&str> = tags.map(String::as_str).collect();
        let timeout_ms = fleet.settings().launch_timeout_ms;
        let is_late = |instance: &Instance| {
            let since = doubts.since(fleet, instance);
            since.is_some_and(|since| since.plus_ms(timeout_ms) <= log_now)
        };
        let open = fleet.instances_in_state(InstanceState::Provisioning).filter(|instance| {
            instance.provider.as_str() == provider
                && is_late(instance)
                && !tags.contains(instance.id.as_str())
        });
        let open: Vec<&Arc<Instance>> = open.collect();
        let ids: BTreeSet<&str> = open.iter().map(|instance| instance.id.as_str()).collect();
        self.unanswered.retain(|id, _| ids.contains(id.as_str()));
        let mut given_up = Vec::new();
        for instance in open {
            let id = instance.id.as_str().to_owned();
            let since = *self.unanswered.entry(id).or_insert(now);
            if now.since(since) > APART {
                given_up.push(Arc::clone(instance));
            }
        }
        given_up
    }

    /// Takes in a complete listing of `provider`, made before `fleet` was read.
    pub(super) fn compare(
        &mut self,
        fleet: &FleetState,
        provider: &str,
        machines: &[Machine],
        (now, wall_ms): (Moment, u64),
    ) -> Findings {
        let mut findings = Findings::default();
        let mut seen = BTreeSet::new();
        let mut records = Records::at(fleet, provider);
        for machine in machines {
            let explained = records.find(machine);
            if explained || !machine.state.is_live() {
                continue;
            }
            let late = match fit(fleet, provider, machine) {
                Fit::Explained => continue,
                Fit::Answers(id) => {
                    findings.answers.push((id, machine.clone()));
                    continue;
                }
                Fit::Late(id) => Some(id),
                Fit::Orphan => None,
            };
            seen.insert(machine.id.as_str());
            let first = *self.unexplained.entry(machine.id.clone()).or_insert(now);
            if now.since(first) <= APART {
                continue;
            }
            match late {
                Some(id) => findings.answers.push((id, machine.clone())),
                None if is_old(fleet, machine, (now, first), wall_ms) => {
                    findings.orphans.push(machine.clone());
                }
                None => {}
            }
        }
        self.unexplained.retain(|id, _| seen.contains(id.as_str()));
        match self.miss(fleet, records, now) {
            Ok(absent) => findings.absent = absent,
            Err(mass) => findings.mass_absence = Some(mass),
        }
        findings
    }

    /// Of the records whose machine was not listed those that have lacked it for long enough, or why nothing is
    /// concluded.
    fn miss(
        &mut self,
        fleet: &FleetState,
        records: Records<'_>,
        now: Moment,
    ) -> Result<Vec<Arc<Instance>>, String> {
        let expected = records.expected;
        let missing = records.missing();
        let ids: BTreeSet<&str> = missing.iter().map(|instance| instance.id.as_str()).collect();
        self.absent.retain(|id, _| ids.contains(id.as_str()));
        for id in ids {
            self.absent.entry(id.to_owned()).or_insert(now);
        }
        let count = missing.len();
        if count > FEW && count * 100 > expected * MASS_ABSENCE_PERCENT {
            return Err(format!(
                "its listing lacks {count} of {expected} machines: nothing is concluded from it"
            ));
        }
        let mut absent = Vec::new();
        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        for instance in missing {
            let since = self.absent.get(instance.id.as_str()).copied();
            if since.is_none_or(|since| now.since(since) <= APART) {
                continue;
            }
            let pool = instance.pool.as_str();
            let left = left.entry(pool).or_insert_with(|| {
                (fleet.pool_counts(pool).size() as usize * GONE_PERCENT / 100).max(1)
            });
            if let Some(rest) = left.checked_sub(1) {
                *left = rest;
                absent.push(Arc::clone(instance));
            }
        }
        Ok(absent)
    }
}

/// The records that may have a machine at one provider, by the provider's reference, which a listing crosses out.
/// Looking each machine up in the fleet's own tables would take ten times as long.
struct Records<'a> {
    open: HashMap<&'a str, &'a Arc<Instance>>,
    /// How many machines the provider should list.
    expected: usize,
}

impl<'a> Records<'a> {
    fn at(fleet: &'a FleetState, provider: &str) -> Self {
        let open = HashMap::with_capacity(fleet.machines_at(provider) as usize);
        let mut records = Self { open, expected: 0 };
        for instance in fleet.instances() {
            let Some(reference) = &instance.provider_ref else { continue };
            if instance.provider.as_str() == provider && instance.may_have_machine() {
                records.expected += usize::from(should_be_listed(instance));
                records.open.insert(reference.as_str(), instance);
            }
        }
        records
    }

    /// Crosses a listed machine out; whether a record explains it.
    fn find(&mut self, machine: &Machine) -> bool {
        // One that has ended is as good as missing.
        machine.state != MachineState::Terminated && self.open.remove(&*machine.id).is_some()
    }

    /// Those of machines that should have been listed, by id.
    fn missing(self) -> Vec<&'a Arc<Instance>> {
        let mut missing: Vec<_> =
            self.open.into_values().filter(|instance| should_be_listed(instance)).collect();
        missing.sort_unstable_by(|left, right| left.id.cmp(&right.id));
        missing
    }
}

/// Those that are being given back are the terminator's.
fn should_be_listed(instance: &Instance) -> bool {
    match instance.state {
        InstanceState::PendingRegistration | InstanceState::Running => true,
        InstanceState::Provisioning
        | InstanceState::Terminating
        | InstanceState::Terminated
        | InstanceState::Failed => false,
    }
}

fn fit(fleet: &FleetState, provider: &str, machine: &Machine) -> Fit {
    let by_ref = fleet.instance_by_ref(provider, &machine.id);
    if by_ref.is_some_and(|instance| instance.may_have_machine()) {
        return Fit::Explained;
    }
    let labelled = machine.labels.get(labels::INSTANCE).and_then(|id| fleet.instance(id));
    match labelled.filter(|instance| instance.provider.as_str() == provider).or(by_ref) {
        // It has another machine, and one order is one machine.
        Some(instance) if has_another(instance, machine) => Fit::Orphan,
        Some(instance) if instance.may_have_machine() => {
            Fit::Answers(instance.id.as_str().to_owned())
        }
        Some(instance) => Fit::Late(instance.id.as_str().to_owned()),
        None => Fit::Orphan,
    }
}

fn has_another(instance: &Instance, machine: &Machine) -> bool {
    let reference = instance.provider_ref.as_ref();
    instance.may_have_machine() && reference.is_some_and(|one| one.as_str() != machine.id)
}

/// Whether a machine is older than the configured least age; of one whose provider does not tell its age, what
/// counts is how long it has been seen.
fn is_old(
    fleet: &FleetState,
    machine: &Machine,
    (now, first): (Moment, Moment),
    wall_ms: u64,
) -> bool {
    let least_ms = fleet.settings().orphan_min_age_ms;
    match machine.created_at_ms {
        Some(created_ms) => created_ms.saturating_add(least_ms) <= wall_ms,
        None => now.since(first) >= Duration::from_millis(least_ms),
    }
}
