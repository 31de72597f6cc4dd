use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::join_all;
use navarch_fleet::{FleetState, Instance, InstanceId, InstanceState, LogTime, ProviderName};
use navarch_host::{
    Moment,
    planted::{self, Bug},
};
use navarch_proto::fleet::{
    FailInstance, FailureKind, RecordPurchase, TerminateInstance, proposal::Kind,
};

use super::{
    BUSY_PERIOD, IDLE_PERIOD, Providers,
    calls::{Calls, Due},
    doubts::Doubts,
    pace::Paced,
    retries::Retries,
    shortage::{self, Market},
};
use crate::{
    leader::{Controller, Report, Tenure},
    provider::{Conclusion, Machine, MachineState, Order, ProviderError},
};

const NAME: &str = "provisioner";
/// How long one pass waits for answers; later ones are taken up by the next pass, which sees to new
/// shortages meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// Brings every pool up to its target: logs an order before a provider hears of it, and asks until each
/// order is answered.
pub(super) struct Provisioner {
    providers: Arc<Providers>,
    calls: Calls<Result<Machine, ProviderError>>,
    /// When an unanswered order is asked again. Dies with the session: a new leader asks at once, which is
    /// safe, since an order is asked under its own id.
    retries: Retries<InstanceId>,
    doubts: Doubts,
}

impl Provisioner {
    pub(super) fn new(providers: Arc<Providers>) -> Self {
        let retries = Retries::drawn_from(providers.chance().clone());
        Self { providers, calls: Calls::new(), retries, doubts: Doubts::default() }
    }

    /// The same, which tells others by `doubts` what is in doubt.
    pub(super) fn telling(self, doubts: Doubts) -> Self {
        Self { doubts, ..self }
    }

    /// Logs the orders that pools lack.
    async fn request(&mut self, tenure: &Tenure, report: &mut Report) {
        let fleet = tenure.view().fleet;
        let wanted = shortage::offers_wanted(&fleet).into_iter();
        let clouds = wanted.filter_map(|name| self.providers.get(&fleet, name).ok());
        join_all(clouds.map(async |cloud| cloud.refresh_offers().await)).await;
        let now = LogTime::from_ms(tenure.now_ms());
        let market = Market { fleet: &fleet, providers: &self.providers, now };
        let clock = tenure.ledger().clock();
        let new_id = || shortage::new_instance_id(clock.wall_ms(), self.providers.chance());
        let steps = shortage::plan(&market, new_id);
        if planted::is(Bug::BuyBeforeIntent) {
            buy_undecided(&self.providers, tenure, &steps).await;
        }
        // One that is in doubt is settled before the next pass plans.
        let _ = tenure.carry_out_together(steps, report).await;
    }

    /// Asks the providers for every order that has no answer yet.
    async fn ask(&mut self, tenure: &Tenure, report: &mut Report) {
        let fleet = tenure.view().fleet;
        let clock = tenure.ledger().clock().clone();
        let until = clock.now() + PATIENCE;
        let mut due = self.due(&fleet, clock.now());
        loop {
            let providers = Arc::clone(&self.providers);
            let provider_of = |name: &ProviderName| providers.get(&fleet, name.as_str());
            self.calls.begin(&mut due, provider_of, |provider, instance| {
                call(tenure.clone(), provider, instance)
            });
            let Some((instance, answer)) = self.calls.next(&clock, until).await else { break };
            self.conclude(tenure, &instance, answer, report).await;
        }
        let open = |id: &InstanceId| {
            fleet.instance(id.as_str()).is_some_and(|one| one.state == InstanceState::Provisioning)
        };
        self.retries.retain(open);
        self.doubts.retain(open);
    }

    fn due(&self, fleet: &FleetState, now: Moment) -> Due {
        let forgetful = self.forgetful(fleet);
        self.calls.due(fleet, InstanceState::Provisioning, |instance| {
            // Asked again, such a cloud would sell a second machine.
            let once = forgetful.contains(instance.provider.as_str());
            let asked = once && self.doubts.since(fleet, instance).is_some();
            self.retries.is_due(&instance.id, now) && !asked
        })
    }

    /// Clouds that know no idempotency keys. One that cannot be called is asked nothing, and says why.
    fn forgetful<'a>(&self, fleet: &'a FleetState) -> BTreeSet<&'a str> {
        let specs = fleet.spec().map_or(&[][..], |spec| &spec.providers).iter();
        let forgets = |name: &&str| {
            self.providers.get(fleet, name).is_ok_and(|cloud| !cloud.remembers_orders())
        };
        specs.map(|spec| spec.name.as_str()).filter(forgets).collect()
    }

    async fn conclude(
        &mut self,
        tenure: &Tenure,
        instance: &Instance,
        answer: Result<Machine, ProviderError>,
        report: &mut Report,
    ) {
        let id = instance.id.as_str();
        let failed = report.failed;
        if !had_no_effect(&answer) {
            self.doubts.note(&instance.id, LogTime::from_ms(tenure.now_ms()));
        }
        match answer {
            Ok(machine) => {
                let _ = tenure.carry_out(bought(instance, machine), report).await;
            }
            Err(error) => match error.conclusion() {
                Conclusion::Final => {
                    let proposal = fail(instance, failure_kind(&error), error.to_string());
                    let _ = tenure.carry_out([proposal], report).await;
                }
                Conclusion::Wait(pause) => {
                    report.fail(format!("order {id}: {error}"));
                    self.retries.put_off(instance.id.clone(), now(tenure), pause);
                    return;
                }
                Conclusion::Ambiguous => {
                    report.fail(format!("order {id} is in doubt: {error}"));
                }
            },
        }
        // Also when the answer could not be recorded: a provider that gives two orders one machine must not
        // be asked as fast as it answers.
        if report.failed > failed {
            self.retries.failed(instance.id.clone(), now(tenure));
        }
    }
}

/// Whether the cloud certainly sold nothing.
fn had_no_effect(answer: &Result<Machine, ProviderError>) -> bool {
    match answer {
        Ok(_) | Err(ProviderError::Unanswered(_) | ProviderError::Ambiguous(_)) => false,
        Err(
            ProviderError::Capacity(_)
            | ProviderError::Quota(_)
            | ProviderError::Invalid(_)
            | ProviderError::RateLimited { .. }
            | ProviderError::Unauthorized(_)
            | ProviderError::Unreachable(_),
        ) => true,
    }
}

fn now(tenure: &Tenure) -> Moment {
    tenure.ledger().clock().now()
}

#[async_trait]
impl Controller for Provisioner {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, fleet: &FleetState, _: u64) -> Duration {
        // Unanswered orders are asked again at their own times, and held pools when their hold may be over;
        // this only looks whether one is due.
        let waits = fleet.instance_count_in_state(InstanceState::Provisioning) > 0
            || shortage::is_any(fleet);
        if waits { BUSY_PERIOD } else { IDLE_PERIOD }
    }

    fn wakes_on(&self) -> &'static [&'static str] {
        &[
            "pool-created",
            "pool-changed",
            "pool-scaled",
            "pool-decided",
            "instance-failed",
            "instance-terminating",
            "instance-terminated",
        ]
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        self.request(tenure, &mut report).await;
        self.ask(tenure, &mut report).await;
        report
    }
}

/// What [`Bug::BuyBeforeIntent`] does: asks the providers for orders that are not in the log.
async fn buy_undecided(providers: &Providers, tenure: &Tenure, steps: &[Kind]) {
    let fleet = tenure.view().fleet;
    for step in steps {
        let Kind::RequestInstance(order) = step else { continue };
        let Ok(cloud) = providers.get(&fleet, &order.provider) else { continue };
        let (instance_id, request_body) = (order.instance_id.clone(), order.request_body.clone());
        let order = Order { instance_id, request_body };
        let _ = cloud.turn().await.order(&order, tenure.session()).await;
    }
}

async fn call(
    tenure: Tenure,
    provider: Result<Arc<Paced>, String>,
    instance: Arc<Instance>,
) -> Result<Machine, ProviderError> {
    let provider = provider.map_err(ProviderError::Unreachable)?;
    let turn = provider.turn().await;
    tenure.confirm().map_err(|doubt| ProviderError::Unreachable(doubt.to_string()))?;
    // It may have waited long for its turn.
    let fleet = tenure.view().fleet;
    let record = fleet.instance(instance.id.as_str());
    if record.is_none_or(|record| record.state != InstanceState::Provisioning) {
        return Err(ProviderError::Unreachable(
            "the order was closed before it was asked".to_owned(),
        ));
    }
    let order = Order {
        instance_id: instance.id.as_str().to_owned(),
        request_body: instance.request_body.clone(),
    };
    tenure.crash_point("order", "before");
    let answer = turn.order(&order, tenure.session()).await;
    tenure.crash_point("order", "after");
    provider.heed(answer)
}

/// What a machine that the provider names for an order means for its record. One that is gone already was
/// bought, and ended, before we heard of it; one that is on its way out is seen to its end.
pub(super) fn bought(instance: &Instance, machine: Machine) -> Vec<Kind> {
    let reason = format!("the provider's machine {} is {}", machine.id, machine.state);
    let state = machine.state;
    let purchase = Kind::RecordPurchase(RecordPurchase {
        instance_id: instance.id.as_str().to_owned(),
        provider_ref: machine.id,
        region: machine.region,
        zone: machine.zone,
        price_per_hour: known_price(machine.price_per_hour),
    });
    let end = match state {
        MachineState::Provisioning | MachineState::Running => None,
        MachineState::Terminating => Some(Kind::TerminateInstance(TerminateInstance {
            instance_id: instance.id.as_str().to_owned(),
            reason,
            instance_revision: 0,
        })),
        MachineState::Terminated => Some(fail(instance, FailureKind::Vanished, reason)),
    };
    std::iter::once(purchase).chain(end).collect()
}

/// What is no price is not known: refused for it, the purchase would stay an order without an answer, and its machine be paid for.
fn known_price(price_per_hour: f64) -> f64 {
    if price_per_hour.is_finite() { price_per_hour.max(0.0) } else { 0.0 }
}

/// Whatever its revision: the verdict is the provider's, and final.
fn fail(instance: &Instance, kind: FailureKind, reason: String) -> Kind {
    Kind::FailInstance(FailInstance {
        instance_id: instance.id.as_str().to_owned(),
        kind: kind.into(),
        reason,
        instance_revision: 0,
    })
}

fn failure_kind(error: &ProviderError) -> FailureKind {
    match error {
        ProviderError::Capacity(_) => FailureKind::Capacity,
        ProviderError::Quota(_) => FailureKind::Quota,
        ProviderError::Invalid(_) => FailureKind::Invalid,
        ProviderError::RateLimited { .. }
        | ProviderError::Unauthorized(_)
        | ProviderError::Unreachable(_)
        | ProviderError::Unanswered(_)
        | ProviderError::Ambiguous(_) => FailureKind::Unspecified,
    }
}

#[cfg(test)]
#[path = "provisioner_test.rs"]
mod tests;
