use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_fleet::{FleetState, Instance, InstanceState, ProviderName};
use navarch_host::Moment;
use navarch_proto::fleet::{RecordTermination, TerminateInstance, proposal::Kind};

use super::{
    BUSY_PERIOD, IDLE_PERIOD, Providers,
    calls::{Calls, Due},
    pace::Paced,
};
use crate::{
    leader::{Controller, Report, Tenure},
    provider::{Conclusion, MachineState, ProviderError, Termination},
};

const NAME: &str = "terminator";
/// Pause before the provider is asked again about a machine that it is still terminating.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How long a provider must say without a break that it knows no such machine: one such answer may be
/// spurious, and a machine that is taken for gone too early costs money for ever. Source: the time between
/// two listings after which the fleet rules take a machine for gone.
const MISSING_FOR: Duration = Duration::from_secs(60);
/// How long one pass waits for answers; later ones are taken up by the next pass.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sees every failed or terminating machine to its end at the provider: asks until the provider says gone.
pub(super) struct Terminator {
    providers: Arc<Providers>,
    calls: Calls<Result<Sight, ProviderError>>,
    /// What is known of machines that are not gone yet; dies with the session.
    asked: BTreeMap<String, Asked>,
}

#[derive(Clone, Copy)]
struct Asked {
    not_before: Moment,
    /// Since when every answer was that there is no such machine.
    missing_since: Option<Moment>,
}

/// What a provider shows of a machine that was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// It says that the machine has ended.
    Gone,
    /// It is still at it.
    There,
    /// It knows no such machine.
    Missing,
}

impl Terminator {
    pub(super) fn new(providers: Arc<Providers>) -> Self {
        Self { providers, calls: Calls::new(), asked: BTreeMap::new() }
    }

    async fn ask(&mut self, tenure: &Tenure, report: &mut Report) {
        let fleet = tenure.view().fleet;
        let clock = tenure.ledger().clock().clone();
        let until = clock.now() + PATIENCE;
        let mut due = self.due(&fleet, clock.now());
        loop {
            let providers = Arc::clone(&self.providers);
            let provider_of = |name: &ProviderName| providers.get(&fleet, name.as_str());
            self.calls.begin(&mut due, provider_of, |provider, instance| {
                see_off(tenure.clone(), provider, instance)
            });
            let Some((instance, answer)) = self.calls.next(&clock, until).await else { break };
            self.conclude(tenure, &instance, answer, report).await;
        }
        self.asked.retain(|id, _| {
            fleet.instance(id).is_some_and(|one| one.state == InstanceState::Terminating)
        });
    }

    fn due(&self, fleet: &FleetState, now: Moment) -> Due {
        let asked = |instance: &Instance| {
            self.asked.get(instance.id.as_str()).map(|asked| asked.not_before)
        };
        let is_time = |instance: &Instance| asked(instance).is_none_or(|at| at <= now);
        // Those that were never asked about first, then those that wait longest: of many that take long to end, the last by id
        // would never be told to.
        self.calls.due(fleet, InstanceState::Terminating, is_time).ordered_by(asked)
    }

    async fn conclude(
        &mut self,
        tenure: &Tenure,
        instance: &Instance,
        answer: Result<Sight, ProviderError>,
        report: &mut Report,
    ) {
        let id = instance.id.as_str();
        let now = tenure.ledger().clock().now();
        let before = self.asked.get(id).and_then(|asked| asked.missing_since);
        let (missing_since, pause) = match &answer {
            Ok(Sight::Gone | Sight::There) => (None, ASK_AGAIN),
            Ok(Sight::Missing) => (before.or(Some(now)), ASK_AGAIN),
            // Silence neither breaks nor proves an absence.
            Err(error) => (before, pause_after(error)),
        };
        let gone = match answer {
            Ok(Sight::Gone) => true,
            Ok(Sight::There) => false,
            Ok(Sight::Missing) => missing_since.is_some_and(|at| now.since(at) >= MISSING_FOR),
            Err(error) => {
                report.fail(format!("terminating {id}: {error}"));
                false
            }
        };
        self.asked.insert(id.to_owned(), Asked { not_before: now + pause, missing_since });
        if gone {
            let record = RecordTermination { instance_id: id.to_owned() };
            let _ = tenure.carry_out([Kind::RecordTermination(record)], report).await;
        }
    }
}

#[async_trait]
impl Controller for Terminator {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState, _: u64) -> Duration {
        let waits = fleet.instance_count_in_state(InstanceState::Terminating) > 0;
        if waits { BUSY_PERIOD } else { IDLE_PERIOD }
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &["instance-failed", "instance-terminating"]
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        let steps = take_up_failed(&tenure.view().fleet);
        if tenure.carry_out(steps, &mut report).await.is_continue() {
            self.ask(tenure, &mut report).await;
        }
        report
    }
}

/// A failed instance that still has a machine goes on to terminating.
fn take_up_failed(fleet: &FleetState) -> Vec<Kind> {
    let failed = fleet.instances_in_state(InstanceState::Failed);
    let with_machine = failed.filter(|instance| instance.may_have_machine());
    let terminate = |instance: &Arc<Instance>| {
        Kind::TerminateInstance(TerminateInstance {
            instance_id: instance.id.as_str().to_owned(),
            reason: format!("failed: {}", instance.status_message),
            instance_revision: instance.revision.0,
        })
    };
    with_machine.map(terminate).collect()
}

fn pause_after(error: &ProviderError) -> Duration {
    match error.conclusion() {
        Conclusion::Wait(pause) => pause.max(ASK_AGAIN),
        Conclusion::Final | Conclusion::Ambiguous => ASK_AGAIN,
    }
}

/// Asks for the end of a machine, and what the provider shows of it afterwards.
async fn see_off(
    tenure: Tenure,
    provider: Result<Arc<Paced>, String>,
    instance: Arc<Instance>,
) -> Result<Sight, ProviderError> {
    let provider = provider.map_err(ProviderError::Unreachable)?;
    // Only an answered order can be terminating, and its answer named the machine.
    let Some(provider_ref) = &instance.provider_ref else { return Ok(Sight::Gone) };
    let provider_ref = provider_ref.as_str();
    let turn = provider.turn().await;
    tenure.confirm().map_err(|doubt| ProviderError::Unreachable(doubt.to_string()))?;
    tenure.crash_point("terminate", "before");
    let answer = turn.terminate(provider_ref, tenure.session()).await;
    tenure.crash_point("terminate", "after");
    match provider.heed(answer)? {
        Termination::Gone => Ok(Sight::Gone),
        Termination::Accepted | Termination::NeverExisted => {
            let machine = provider.heed(provider.turn().await.get(provider_ref).await)?;
            Ok(machine.map_or(Sight::Missing, |machine| match machine.state {
                MachineState::Terminated => Sight::Gone,
                MachineState::Provisioning | MachineState::Running | MachineState::Terminating => {
                    Sight::There
                }
            }))
        }
    }
}

#[cfg(test)]
#[path = "terminator_test.rs"]
mod tests;
