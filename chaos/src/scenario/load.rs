use std::sync::{Arc, PoisonError};

use navarch_host::{Chance, TaskHandle};
use tokio_util::sync::CancellationToken;

use super::{
    Machines, Scenario,
    demand::{Demand, Issued},
    peace,
};
use crate::{
    error::ChaosError,
    history::{Event, Recorder, Stopwatch},
    host::Host,
    invariants,
    load::{
        Counts, Follower, History, Scribe, Workload, WorkloadOptions, conclude,
        registers::{RegisterClients, RegisterFleet, Registers, RegistersOptions},
    },
    proc::Group,
    record::InvariantRecord,
};

/// What asks things of a scenario's group.
pub(super) enum Asking {
    Clients {
        workload: Workload,
        registers: Option<Registers>,
        follower: Follower,
    },
    Demand {
        recorder: Recorder,
        issued: Issued,
        machines: Machines,
        stop: CancellationToken,
        task: TaskHandle,
    },
}

/// The same, stopped.
pub(super) enum Asked {
    Clients { history: Arc<History>, follower: Follower },
    Demand { recorder: Recorder, issued: Vec<(String, String)>, machines: Machines },
}

/// What it came to.
pub(super) struct Judgement {
    pub(super) invariants: Vec<InvariantRecord>,
    /// What is wrong beside them.
    pub(super) violations: Vec<String>,
}

impl Asking {
    /// Starts the load of `scenario`.
    pub(super) async fn start(
        host: &Host,
        group: &Group,
        scenario: &Scenario,
        fleet: &RegisterFleet,
        chance: &Chance,
    ) -> Result<Self, ChaosError> {
        if let Some(machines) = scenario.machines.clone() {
            return Self::demand(host, group, machines, chance);
        }
        let writers = scenario.load.as_ref().map_or(0, |load| load.clients);
        let follower = Follower::start(host, group.client()?, 0);
        let options = WorkloadOptions { writers, ..WorkloadOptions::default() };
        let workload = Workload::start(host, group, options)?;
        let mut registers = None;
        if scenario.load.as_ref().is_some_and(|load| load.registers > 0) {
            let (clients, history) = (RegisterClients::of(group)?, workload.history());
            let record = (history.recorder(), workload.stopwatch());
            let options = RegistersOptions::default();
            registers = Some(Registers::start(host, &clients, fleet, record, options).await?);
        }
        Ok(Self::Clients { workload, registers, follower })
    }

    fn demand(
        host: &Host,
        group: &Group,
        machines: Machines,
        chance: &Chance,
    ) -> Result<Self, ChaosError> {
        let (recorder, issued, stop) =
            (Recorder::default(), Issued::default(), CancellationToken::new());
        let demand = Demand {
            host: host.clone(),
            client: group.client()?,
            scribe: Scribe::new(recorder.clone(), Stopwatch::start(&host.clock), 0),
            chance: chance.clone(),
            machines: machines.clone(),
            issued: Arc::clone(&issued),
        };
        let task = host.spawner.spawn("demand", demand.run(stop.clone()));
        Ok(Self::Demand { recorder, issued, machines, stop, task })
    }

    /// Lets every client finish its call.
    pub(super) async fn stop(self) -> Asked {
        match self {
            Self::Clients { workload, registers, follower } => {
                if let Some(registers) = registers {
                    registers.stop().await;
                }
                Asked::Clients { history: workload.stop().await, follower }
            }
            Self::Demand { recorder, issued, machines, stop, task } => {
                stop.cancel();
                task.join().await;
                let issued = issued.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Asked::Demand { recorder, issued, machines }
            }
        }
    }
}

impl Asked {
    /// What clients asked and were told.
    pub(super) fn events(&self) -> Vec<Event> {
        match self {
            Self::Clients { history, .. } => history.recorder().events(),
            Self::Demand { recorder, .. } => recorder.events(),
        }
    }

    /// How much was done; nothing where nobody counted.
    pub(super) fn counts(&self) -> Counts {
        match self {
            Self::Clients { history, .. } => history.counts(),
            Self::Demand { .. } => Counts::default(),
        }
    }

    /// Judges the group, whose replicas must all serve. Of machines it waits until they are at peace.
    pub(super) async fn judge(self, host: &Host, group: &Group) -> Result<Judgement, ChaosError> {
        match self {
            Self::Clients { history, follower } => {
                let checked = conclude(host, group, &history, follower).await?;
                let violations = checked.beside(&history);
                Ok(Judgement { invariants: checked.invariants, violations })
            }
            Self::Demand { recorder, issued, machines } => {
                let told = (recorder.events(), issued);
                let evidence = peace::peace(host, group, &machines, told).await?;
                let invariants = invariants::judge(&peace::INVARIANTS, &evidence);
                Ok(Judgement { invariants, violations: Vec::new() })
            }
        }
    }
}
