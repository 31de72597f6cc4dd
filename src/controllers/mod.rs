//! The leader's control loops. Each plans purely, from a state of the fleet to a list of steps, and then
//! carries the steps out: intent into the log first, the provider called afterwards.
//!
//! | file | keeps true |
//! |---|---|
//! | `autoscaler` | a pool's target is what its strategy says, within its limits |
//! | `provisioner` | a pool has as many instances as its target; every order is answered |
//! | `scale_down` | what a pool has too many of is drained and given back |
//! | `terminator` | what is failed or terminating is gone at its provider |
//! | `stale_instances` | a machine that never registers is failed |
//! | `breaker` | where too many nodes are in trouble at once, losses and replacements stop |
//! | `lost_nodes` | a silent node is declared lost, a mass silence is not |
//! | `replacer` | a lost or unhealthy machine is replaced, within its pool's budgets |
//! | `orphans` | the providers have what the records say, and nothing else of ours |
//! | `drainer` | the workload system is told of a drain, and the drain ends |
//! | `announcer` | the workload system is told of cordons and uncordons |
//! | `observation` | observers are told of changes of health and of failed instances |
//! | `digest` | heartbeats survive their leader |
//! | `retention` | old records go |
//! | `retirement` | a pool or provider that no file has any more goes after the last of its machines |
//! | `adopter` | while a restored fleet stands still, machines that it does not know become records |
//!
//! `doubts` knows which orders of a forgetful cloud may have bought a machine.
//!
//! `providers` holds the clouds, `pace` keeps each to the rate it allows, `offers` knows what it rents out, and
//! `calls` the calls to them that are under way; `shortage` says what pools lack, `orders` makes an order of a
//! pool's wish, `provisioning_delay` says how long one takes; `replacement` decides what of a pool is replaced
//! now; `sightings` compares a provider's listing with the records; `silence` knows who is heard, `shares`
//! what part of each pool and zone is in trouble, `stops` whose loss and replacement that stops; `absences` holds what
//! listings lack.
//!
//! `notifiers` holds whom the configuration has told, `deliveries` the calls to them, `retries` when they are
//! called again; `feed` is the journal as one observer is told it, `changes` what its events mean to observers;
//! `refusals` knows the nodes that the workload system would not have drained.

mod absences;
mod adopter;
mod announcer;
mod autoscaler;
mod breaker;
mod calls;
mod changes;
mod deliveries;
mod digest;
mod doubts;
mod drainer;
mod feed;
mod lost_nodes;
mod notifiers;
mod observation;
mod offers;
mod orders;
mod orphans;
mod pace;
mod providers;
mod provisioner;
mod provisioning_delay;
mod refusals;
mod replacement;
mod replacer;
mod retention;
mod retirement;
mod retries;
mod scale_down;
mod shares;
mod shortage;
mod sightings;
mod silence;
mod stale_instances;
mod stops;
mod terminator;

#[cfg(test)]
mod day_test;
#[cfg(test)]
mod figures_test;
#[cfg(test)]
mod idle_test;
#[cfg(test)]
mod stops_test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod testing_cloud;
#[cfg(test)]
mod testing_workloads;

use std::{sync::Arc, time::Duration};

use self::{absences::Absences, deliveries::Lanes, doubts::Doubts};
pub use self::{
    notifiers::{BuildChannels, Notifiers},
    providers::{Build, Providers},
};
use crate::{
    leader::Controller, liveness::Liveness, metrics_source::Sources, notify::Observers,
    scaling::Autoscalers,
};

/// How long a drain of ours may take, in milliseconds: one hour.
const DRAIN_DEADLINE_MS: u64 = 3_600_000;

/// How often a controller looks that has something under way, and one that waits for an event.
const BUSY_PERIOD: Duration = Duration::from_secs(1);
const IDLE_PERIOD: Duration = Duration::from_secs(5);

/// What the controllers work with.
#[derive(Clone)]
pub struct ControllerParts {
    /// Who was heard from when.
    pub liveness: Arc<Liveness>,
    /// The clouds.
    pub providers: Arc<Providers>,
    /// Where the autoscaler's figures come from: `metrics_source::built_in`, and whatever sources a composition
    /// root adds to it with [`Sources::with`].
    pub metrics: Arc<Sources>,
    /// Which autoscaler each pool goes by.
    pub autoscalers: Autoscalers,
    /// Whom the configuration has told of nodes.
    pub notifiers: Arc<Notifiers>,
    /// Who else is told.
    pub observers: Observers,
}

/// Fresh controllers for a session.
pub fn all(parts: &ControllerParts) -> Vec<Box<dyn Controller>> {
    let ControllerParts { liveness, providers, metrics, autoscalers, notifiers, observers } = parts;
    let (lanes, doubts, absences) = (Lanes::default(), Doubts::default(), Absences::default());
    vec![
        Box::new(autoscaler::Autoscaler::new(Arc::clone(metrics), autoscalers.clone())),
        Box::new(provisioner::Provisioner::new(Arc::clone(providers)).telling(doubts.clone())),
        Box::new(scale_down::ScaleDown::new(Arc::clone(liveness))),
        Box::new(terminator::Terminator::new(Arc::clone(providers))),
        Box::new(stale_instances::StaleInstances::new(Arc::clone(liveness))),
        Box::new(breaker::Breaker::new(Arc::clone(liveness), absences.clone())),
        Box::new(lost_nodes::LostNodes::new(Arc::clone(liveness), absences.clone())),
        Box::new(
            replacer::Replacer::new(Arc::clone(providers), Arc::clone(liveness))
                .aware_of(absences.clone()),
        ),
        Box::new(
            orphans::Orphans::new(Arc::clone(liveness), Arc::clone(providers))
                .told_by(doubts)
                .telling(absences),
        ),
        Box::new(drainer::Drainer::new(Arc::clone(notifiers), lanes.clone())),
        Box::new(announcer::Announcer::new(Arc::clone(notifiers), lanes)),
        Box::new(observation::Observation::new(observers.clone(), Arc::clone(notifiers))),
        Box::new(digest::Digest::new(Arc::clone(liveness))),
        Box::new(retention::Retention),
        Box::new(retirement::Retirement::default()),
        Box::new(adopter::Adopter::new(Arc::clone(providers))),
    ]
}
