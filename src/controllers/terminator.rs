use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use navarch_fleet::{FleetState, Instance, InstanceState};
use navarch_host::Moment;
use navarch_proto::{
    api::FleetEvent,
    fleet::{RecordTermination, TerminateInstance, proposal::Kind},
};

use super::Providers;
use crate::{
    leader::{Controller, Report, Tenure},
    provider::{MachineState, Provider, ProviderError, Termination},
};

const NAME: &str = "terminator";
/// Provider calls under way at once.
const CONCURRENT_CALLS: usize = 32;
/// Pause before the provider is asked again about a machine that it is still terminating.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Sees every failed or terminating machine to its end at the provider: asks until the provider says gone.
pub(super) struct Terminator {
    providers: Arc<Providers>,
    /// When to ask about an instance again; dies with the session.
    not_before: BTreeMap<String, Moment>,
}

impl Terminator {
    pub(super) fn new(providers: Arc<Providers>) -> Self {
        Self { providers, not_before: BTreeMap::new() }
    }

    /// A failed instance that still has a machine goes on to terminating.
    async fn take_up_failed(tenure: &Tenure, report: &mut Report) {
        let fleet = tenure.view().fleet;
        let failed = fleet.instances_in_state(InstanceState::Failed);
        for instance in failed.filter(|instance| instance.may_have_machine()) {
            let terminate = TerminateInstance {
                instance_id: instance.id.as_str().to_owned(),
                reason: format!("failed: {}", instance.status_message),
                instance_revision: instance.revision.0,
            };
            report.count(tenure.propose(NAME, Kind::TerminateInstance(terminate)).await.map(drop));
        }
    }

    async fn ask(&mut self, tenure: &Tenure, report: &mut Report) {
        let fleet = tenure.view().fleet;
        let now = tenure.ledger().clock().now();
        let due = fleet
            .instances_in_state(InstanceState::Terminating)
            .filter(|one| self.not_before.get(one.id.as_str()).is_none_or(|&at| at <= now));
        let calls: Vec<_> = due
            .map(|instance| {
                let provider = self.providers.get(&fleet, instance.provider.as_str());
                let (instance, tenure) = (Arc::clone(instance), tenure.clone());
                async move {
                    let gone = match provider {
                        Ok(provider) => see_off(&tenure, &*provider, &instance).await,
                        Err(reason) => Err(ProviderError::Unreachable(reason)),
                    };
                    (instance, gone)
                }
            })
            .collect();
        let mut answers = stream::iter(calls).buffer_unordered(CONCURRENT_CALLS);
        while let Some((instance, gone)) = answers.next().await {
            let id = instance.id.as_str();
            match gone {
                Ok(true) => {
                    let record = RecordTermination { instance_id: id.to_owned() };
                    let proposed = tenure.propose(NAME, Kind::RecordTermination(record)).await;
                    report.count(proposed.map(drop));
                }
                Ok(false) => {
                    self.not_before.insert(id.to_owned(), now + ASK_AGAIN);
                }
                Err(error) => {
                    self.not_before.insert(id.to_owned(), now + ASK_AGAIN);
                    report.fail(format!("terminating {id}: {error}"));
                }
            }
        }
        self.not_before.retain(|id, _| {
            fleet.instance(id).is_some_and(|one| one.state == InstanceState::Terminating)
        });
    }
}

#[async_trait]
impl Controller for Terminator {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState) -> Duration {
        Duration::from_secs(1)
    }

    fn wakes_on(&self, event: &FleetEvent) -> bool {
        matches!(event.kind.as_str(), "instance-failed" | "instance-terminating")
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        Self::take_up_failed(tenure, &mut report).await;
        self.ask(tenure, &mut report).await;
        report
    }
}

/// Asks for the end of a machine; true once the provider says that it is gone.
async fn see_off(
    tenure: &Tenure,
    provider: &dyn Provider,
    instance: &Instance,
) -> Result<bool, ProviderError> {
    // Only an answered order can be terminating, and its answer named the machine.
    let Some(provider_ref) = &instance.provider_ref else { return Ok(true) };
    let provider_ref = provider_ref.as_str();
    if let Err(doubt) = tenure.confirm() {
        return Err(ProviderError::Unreachable(doubt.to_string()));
    }
    match provider.terminate(provider_ref, tenure.session()).await? {
        Termination::Gone => Ok(true),
        Termination::Accepted => is_gone(provider, provider_ref).await,
        // One 404 may be spurious: the machine itself must be unknown too.
        Termination::NeverExisted => is_gone(provider, provider_ref).await,
    }
}

async fn is_gone(provider: &dyn Provider, provider_ref: &str) -> Result<bool, ProviderError> {
    let machine = provider.get(provider_ref).await?;
    Ok(machine.is_none_or(|machine| machine.state == MachineState::Terminated))
}
