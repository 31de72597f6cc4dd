use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::join_all;
use navarch_fleet::{FleetState, InstanceState};
use navarch_proto::fleet::{AdoptMachine, proposal::Kind};

use super::Providers;
use crate::{
    leader::{Controller, Report, Tenure},
    provider::{Machine, labels},
};

/// `EndAdoption` asks for its report under this name.
const NAME: &str = "adopter";
/// Between two listings: a person waits for the first, and nobody for the others.
const PERIOD: Duration = Duration::from_secs(10);
/// Between two looks whether the fleet is in adopt mode, which begins with a session or not at all.
const OUT_OF_USE: Duration = Duration::from_secs(60);

/// After a restore: lists every provider for machines that bear our label, and has those that the records do not
/// know become records.
pub(super) struct Adopter {
    providers: Arc<Providers>,
}

/// What a provider listed.
struct Listing {
    provider: String,
    machines: Result<Vec<Machine>, String>,
}

impl Adopter {
    pub(super) fn new(providers: Arc<Providers>) -> Self {
        Self { providers }
    }

    /// All listings, complete or with the reason why not.
    async fn list(&self, fleet: &FleetState) -> Vec<Listing> {
        let configured = fleet.spec().map_or(&[][..], |spec| &spec.providers);
        join_all(configured.iter().map(|spec| self.list_one(fleet, &spec.name))).await
    }

    async fn list_one(&self, fleet: &FleetState, name: &str) -> Listing {
        let machines = match self.providers.list(fleet, name) {
            Ok(listing) => listing.await.map_err(|error| error.to_string()),
            Err(reason) => Err(reason),
        };
        Listing { provider: name.to_owned(), machines }
    }
}

/// What becomes of one machine that bears our label.
#[derive(Debug, PartialEq)]
enum Step {
    /// The records know it, or it is on its way out.
    Nothing,
    Adopt(Box<AdoptMachine>),
    /// A person has to look, and why.
    Puzzle(String),
}

fn step(fleet: &FleetState, provider: &str, machine: &Machine) -> Step {
    if !machine.state.is_live() {
        return Step::Nothing;
    }
    let label = |key: &str| machine.labels.get(key).cloned().unwrap_or_default();
    let puzzle = |why: String| Step::Puzzle(format!("machine {} of {provider}: {why}", machine.id));
    let (instance_id, pool) = (label(labels::INSTANCE), label(labels::POOL));
    if instance_id.is_empty() || pool.is_empty() {
        let keys = (labels::INSTANCE, labels::POOL);
        return puzzle(format!("it bears our label but not both {} and {}", keys.0, keys.1));
    }
    if let Some(known) = fleet.instance(&instance_id)
        && let Some(its) = &known.provider_ref
        && known.may_have_machine()
        && known.state != InstanceState::Provisioning
    {
        return match its.as_str() == machine.id {
            true => Step::Nothing,
            false => puzzle(format!("it says that it is {instance_id}, whose machine is {its}")),
        };
    }
    Step::Adopt(Box::new(AdoptMachine {
        instance_id,
        pool,
        provider: provider.to_owned(),
        provider_ref: machine.id.clone(),
        region: machine.region.clone(),
        zone: machine.zone.clone(),
        instance_type: machine.instance_type.clone(),
        price_per_hour: machine.price_per_hour,
    }))
}

#[async_trait]
impl Controller for Adopter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState, _: u64) -> Duration {
        if fleet.adoption().is_some() { PERIOD } else { OUT_OF_USE }
    }

    fn works_while_adopting(&self) -> bool {
        true
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let before = tenure.view().fleet;
        if before.adoption().is_none() {
            return report;
        }
        // Listed before the records are read: what an earlier pass wrote is in them.
        let listings = self.list(&before).await;
        let fleet = tenure.view().fleet;
        let mut seen = 0_usize;
        for Listing { provider, machines } in listings {
            let machines = match machines {
                Ok(machines) => machines,
                Err(reason) => {
                    report.fail(format!("provider {provider} was not listed: {reason}"));
                    continue;
                }
            };
            seen += machines.len();
            for machine in &machines {
                match step(&fleet, &provider, machine) {
                    Step::Nothing => {}
                    Step::Puzzle(why) => report.fail(why),
                    Step::Adopt(adopt) => {
                        let kind = Kind::AdoptMachine(*adopt);
                        if tenure.carry_out([kind], &mut report).await.is_break() {
                            return report;
                        }
                    }
                }
            }
        }
        report.summary = format!("{seen} machines bear our label");
        report
    }
}

#[cfg(test)]
#[path = "adopter_test.rs"]
mod tests;
