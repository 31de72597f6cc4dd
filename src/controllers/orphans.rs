//! Compares what the providers have with what the records say, both ways.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{
    FutureExt as _, StreamExt as _, future::BoxFuture, future::join_all, stream::FuturesUnordered,
};
use navarch_fleet::{FleetState, Instance, LogTime};
use navarch_host::Moment;
use navarch_proto::fleet::{FailInstance, FailureKind, RecordOrphan, proposal::Kind};

use super::{
    Providers,
    absences::Absences,
    doubts::Doubts,
    provisioner, shortage,
    sightings::{Findings, Sightings},
    stops::Stops,
};
use crate::{
    leader::{Controller, Report, Tenure},
    liveness::{self, Liveness},
    provider::{Machine, MachineState, ProviderError, labels},
};

const NAME: &str = "orphans";
/// How often it looks whether a listing is due.
const PERIOD: Duration = Duration::from_secs(5);
/// How long one pass waits for listings; later ones are taken up by the next pass.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where a listing raised a suspicion, the next one follows sooner than the configured interval: it must be more
/// than 60 s younger to count.
const LOOK_AGAIN: Duration = Duration::from_secs(65);
/// Machines that the provider is asked about by name after one listing; the rest is asked about after the next.
const LOOKS_AT_ONCE: usize = 32;
/// The label of a pool that a machine without one is put under.
const NO_POOL: &str = "orphans";

type Listed = (String, Result<Vec<Machine>, ProviderError>);

/// Gives back machines of ours that no record explains, and fails records whose machine is gone.
pub(super) struct Orphans {
    liveness: Arc<Liveness>,
    providers: Arc<Providers>,
    doubts: Doubts,
    absences: Absences,
    /// Listings under way; they outlive the pass that began them.
    under_way: FuturesUnordered<BoxFuture<'static, Listed>>,
    asking: BTreeSet<String>,
    /// What earlier listings of this session showed, by provider.
    known: BTreeMap<String, Known>,
}

#[derive(Default)]
struct Known {
    sightings: Sightings,
    /// When the provider is listed next; none: at once.
    next: Option<Moment>,
    /// Orphans that were told of and are left as they are.
    reported: BTreeSet<String>,
}

impl Orphans {
    pub(super) fn new(liveness: Arc<Liveness>, providers: Arc<Providers>) -> Self {
        Self {
            liveness,
            providers,
            doubts: Doubts::default(),
            absences: Absences::default(),
            under_way: FuturesUnordered::new(),
            asking: BTreeSet::new(),
            known: BTreeMap::new(),
        }
    }

    /// The same, which knows by `doubts` what the provisioner has asked.
    pub(super) fn told_by(self, doubts: Doubts) -> Self {
        Self { doubts, ..self }
    }

    /// The same, which tells `absences` what listings lack.
    pub(super) fn telling(self, absences: Absences) -> Self {
        Self { absences, ..self }
    }

    /// Begins the listings that are due.
    fn begin(&mut self, fleet: &FleetState, now: Moment, report: &mut Report) {
        let specs = fleet.spec().map_or(&[][..], |spec| &spec.providers);
        self.known.retain(|name, _| specs.iter().any(|spec| spec.name == *name));
        self.absences.retain(|name| specs.iter().any(|spec| spec.name == name));
        for spec in specs {
            let known = self.known.entry(spec.name.clone()).or_default();
            if known.next.is_some_and(|next| next > now) || self.asking.contains(&spec.name) {
                continue;
            }
            match self.providers.list(fleet, &spec.name) {
                Ok(listing) => {
                    let name = spec.name.clone();
                    self.asking.insert(name.clone());
                    self.under_way.push(listing.map(|listed| (name, listed)).boxed());
                }
                Err(reason) => {
                    known.next = Some(now + interval(fleet));
                    report.summary = format!("{} is not searched: {reason}", spec.name);
                }
            }
        }
    }

    /// The state is read after the listing: whatever was listed had its record before.
    async fn conclude(&mut self, tenure: &Tenure, (name, listed): Listed, report: &mut Report) {
        self.asking.remove(&name);
        let clock = tenure.ledger().clock();
        let now = clock.now();
        let fleet = tenure.view().fleet;
        let Some(known) = self.known.get_mut(&name) else { return };
        let machines = match listed {
            Ok(machines) => machines,
            Err(error) => {
                // What an earlier listing lacked may be back, and must not keep a breaker open.
                self.absences.listed(&name, std::iter::empty());
                known.next = Some(now + interval(&fleet));
                report.fail(format!("{name} cannot be listed: {error}"));
                return;
            }
        };
        let findings = known.sightings.compare(&fleet, &name, &machines, (now, clock.wall_ms()));
        self.absences.listed(&name, known.sightings.absent());
        let forgets = self.providers.get(&fleet, &name).is_ok_and(|one| !one.remembers_orders());
        let given_up = match forgets {
            true => {
                let times = (now, LogTime::from_ms(tenure.now_ms()));
                known.sightings.unanswered((&fleet, &self.doubts), &name, &machines, times)
            }
            false => Vec::new(),
        };
        known.next =
            Some(now + if known.sightings.suspects() { LOOK_AGAIN } else { interval(&fleet) });
        if let Some(mass) = &findings.mass_absence {
            report.fail(format!("{name}: {mass}"));
        }
        let given_up: Vec<_> = given_up.iter().map(|one| unanswered(&fleet, one)).collect();
        if tenure.carry_out(given_up, report).await.is_continue() {
            self.act(tenure, &name, findings, report).await;
        }
    }

    async fn act(&mut self, tenure: &Tenure, name: &str, findings: Findings, report: &mut Report) {
        let fleet = tenure.view().fleet;
        let mut steps = Vec::new();
        for (id, machine) in findings.answers {
            if let Some(instance) = fleet.instance(&id) {
                steps.extend(provisioner::bought(instance, machine));
            }
        }
        let report_only = fleet.settings().orphans_report_only;
        let wall_ms = tenure.ledger().clock().wall_ms();
        let Some(known) = self.known.get_mut(name) else { return };
        for machine in findings.orphans {
            if !report_only || known.reported.insert(machine.id.clone()) {
                let free = free_id(&fleet, &machine).map(ToOwned::to_owned);
                let chance = self.providers.chance();
                let id = free.unwrap_or_else(|| shortage::new_instance_id(wall_ms, chance));
                steps.push(record(name, &machine, (report_only, id)));
            }
        }
        if tenure.carry_out(steps, report).await.is_break() {
            return;
        }
        self.fail_vanished(tenure, name, findings.absent, report).await;
    }

    /// A machine that two listings do not show is gone once the provider says so of it by name, and its agent is
    /// silent.
    async fn fail_vanished(
        &mut self,
        tenure: &Tenure,
        name: &str,
        absent: Vec<Arc<Instance>>,
        report: &mut Report,
    ) {
        let fleet = tenure.view().fleet;
        let Ok(provider) = self.providers.get(&fleet, name) else { return };
        let absent = &absent[..absent.len().min(LOOKS_AT_ONCE)];
        let sights = absent.iter().map(async |instance| {
            let reference = instance.provider_ref.as_ref().map_or("", |one| one.as_str());
            provider.heed(provider.turn().await.get(reference).await)
        });
        let clock = tenure.ledger().clock();
        let Ok(sights) = clock.timeout(PATIENCE, join_all(sights)).await else {
            return report.fail(format!("{name} does not say whether machines are gone"));
        };
        let (mut steps, mut stopped) = (Vec::new(), 0);
        let fleet = tenure.view().fleet;
        let stops = Stops::new(&fleet, (&self.liveness, &self.absences), tenure.now_ms());
        for (instance, sight) in absent.iter().zip(sights) {
            match sight {
                Ok(Some(machine)) if machine.state != MachineState::Terminated => {}
                Ok(_) if self.beats(&fleet, instance, tenure.now_ms()) => {}
                Ok(_) if stops.is_stopped(instance) => stopped += 1,
                Ok(_) => steps.push(vanished(instance)),
                Err(error) => report.fail(format!("looking for {}: {error}", instance.id)),
            }
        }
        if stopped > 0 {
            report.summary = format!(
                "{stopped} machines of {name} are gone, and breakers stop their replacement"
            );
        }
        let _ = tenure.carry_out(steps, report).await;
    }

    fn beats(&self, fleet: &FleetState, instance: &Instance, now_ms: u64) -> bool {
        let Some(node) = fleet.node_of_instance(instance.id.as_str()) else { return false };
        let told_ms = self.liveness.of(node.number).told_interval_ms;
        let timeout_ms = liveness::timeout_ms(fleet.settings(), told_ms);
        let heard_ms = self
            .liveness
            .last_seen_ms(fleet, node.number)
            .max(node.registered_at.as_ms())
            .max(self.liveness.session_opened_ms());
        heard_ms.saturating_add(timeout_ms) > now_ms
    }
}

fn interval(fleet: &FleetState) -> Duration {
    Duration::from_millis(fleet.settings().orphan_sweep_interval_ms)
}

/// The id that a machine was ordered under, which would do, unless it is that of a record with another machine.
fn free_id<'a>(fleet: &FleetState, machine: &'a Machine) -> Option<&'a str> {
    label(machine, labels::INSTANCE).filter(|id| fleet.instance(id).is_none())
}

fn label<'a>(machine: &'a Machine, key: &str) -> Option<&'a str> {
    machine.labels.get(key).map(String::as_str).filter(|text| !text.is_empty())
}

fn record(provider: &str, machine: &Machine, (report_only, instance_id): (bool, String)) -> Kind {
    let named = label(machine, labels::INSTANCE).unwrap_or("none");
    Kind::RecordOrphan(RecordOrphan {
        instance_id,
        pool: label(machine, labels::POOL).unwrap_or(NO_POOL).to_owned(),
        provider: provider.to_owned(),
        provider_ref: machine.id.clone(),
        region: machine.region.clone(),
        zone: machine.zone.clone(),
        instance_type: machine.instance_type.clone(),
        reason: format!(
            "machine {} of {provider} bears this cluster's tag, and no record explains it (its \
             order: {named})",
            machine.id
        ),
        report_only,
    })
}

fn vanished(instance: &Instance) -> Kind {
    Kind::FailInstance(FailInstance {
        instance_id: instance.id.as_str().to_owned(),
        kind: FailureKind::Vanished.into(),
        reason: format!(
            "provider {} no longer has its machine {}: neither two of its listings nor itself show it",
            instance.provider,
            instance.provider_ref.as_ref().map_or("", |one| one.as_str())
        ),
        instance_revision: instance.revision.0,
    })
}

fn unanswered(fleet: &FleetState, instance: &Instance) -> Kind {
    let timeout_s = fleet.settings().launch_timeout_ms / 1_000;
    Kind::FailInstance(FailInstance {
        instance_id: instance.id.as_str().to_owned(),
        kind: FailureKind::LaunchTimeout.into(),
        reason: format!(
            "provider {} has not answered for {timeout_s} s and more, and two of its listings do not show \
             the order",
            instance.provider
        ),
        instance_revision: instance.revision.0,
    })
}

#[async_trait]
impl Controller for Orphans {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState, _: u64) -> Duration {
        PERIOD
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &["provider-added"]
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let clock = tenure.ledger().clock().clone();
        self.begin(&tenure.view().fleet, clock.now(), &mut report);
        let until = clock.now() + PATIENCE;
        while let Ok(Some(listed)) = clock.timeout_at(until, self.under_way.next()).await {
            self.conclude(tenure, listed, &mut report).await;
        }
        report
    }
}

#[cfg(test)]
#[path = "orphans_test.rs"]
mod tests;
