use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use navarch_fleet::{FleetState, Instance, InstanceState};
use navarch_host::Moment;
use navarch_proto::{
    api::FleetEvent,
    fleet::{
        FailInstance, FailureKind, HoldPool, PoolSpec, RecordPurchase, RequestInstance,
        proposal::Kind,
    },
};
use rand::RngExt as _;
use uuid::Builder;

use super::{Providers, orders};
use crate::{
    leader::{Controller, Report, Tenure},
    provider::{Conclusion, Machine, Order, ProviderError},
};

const NAME: &str = "provisioner";
/// Orders that one pass logs at most; the next pass goes on.
const INTENTS_PER_PASS: usize = 256;
/// Provider calls under way at once.
const CONCURRENT_CALLS: usize = 32;
/// First and longest pause before an order is asked again.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// Brings every pool up to its target: logs an order before a provider hears of it, and asks until each
/// order is answered.
pub(super) struct Provisioner {
    providers: Arc<Providers>,
    /// When an unanswered order is asked again. Dies with the session: a new leader asks at once, which is
    /// safe, since an order is asked under its own id.
    retries: BTreeMap<String, Retry>,
}

#[derive(Clone, Copy, Default)]
struct Retry {
    attempts: u32,
    not_before: Option<Moment>,
}

/// What a pool needs now.
#[derive(Debug, PartialEq)]
struct Shortage<'a> {
    pool: &'a PoolSpec,
    missing: u32,
}

impl Provisioner {
    pub(super) fn new(providers: Arc<Providers>) -> Self {
        Self { providers, retries: BTreeMap::new() }
    }

    /// Logs the orders that pools lack.
    async fn request(&self, tenure: &Tenure, report: &mut Report) {
        let fleet = tenure.view().fleet;
        let mut left = INTENTS_PER_PASS;
        for shortage in shortages(&fleet) {
            let pool = shortage.pool;
            let choices = fleet.pool(&pool.name).map_or(0, |pool| pool.choices);
            for number in 0..u64::from(shortage.missing) {
                if left == 0 {
                    return;
                }
                left -= 1;
                let id = new_instance_id(tenure);
                let cluster_id = self.providers.cluster_id();
                let order = orders::order(&fleet, pool, &id, cluster_id, choices + number);
                let callable = order.and_then(|order| {
                    self.providers.get(&fleet, &order.provider).map(|_| order)
                });
                match callable {
                    Ok(order) => report.count(request_one(tenure, order, pool).await),
                    Err(reason) => {
                        hold(tenure, &fleet, pool, &reason, report).await;
                        break;
                    }
                }
            }
        }
    }

    /// Asks the providers for every order that has no answer yet.
    async fn ask(&mut self, tenure: &Tenure, report: &mut Report) {
        let fleet = tenure.view().fleet;
        let now = tenure.ledger().clock().now();
        let due = fleet.instances_in_state(InstanceState::Provisioning).filter(|instance| {
            let retry = self.retries.get(instance.id.as_str());
            retry.and_then(|retry| retry.not_before).is_none_or(|at| at <= now)
        });
        let calls: Vec<_> = due
            .map(|instance| {
                let provider = self.providers.get(&fleet, instance.provider.as_str());
                let (instance, tenure) = (Arc::clone(instance), tenure.clone());
                async move {
                    let answer = match provider {
                        Ok(provider) => call(&tenure, &*provider, &instance).await,
                        Err(reason) => Err(ProviderError::Unreachable(reason)),
                    };
                    (instance, answer)
                }
            })
            .collect();
        let mut answers = stream::iter(calls).buffer_unordered(CONCURRENT_CALLS);
        while let Some((instance, answer)) = answers.next().await {
            self.conclude(tenure, &instance, answer, report).await;
        }
        self.retries.retain(|id, _| {
            fleet.instance(id).is_some_and(|one| one.state == InstanceState::Provisioning)
        });
    }

    async fn conclude(
        &mut self,
        tenure: &Tenure,
        instance: &Instance,
        answer: Result<Machine, ProviderError>,
        report: &mut Report,
    ) {
        let id = instance.id.as_str();
        let error = match answer {
            Ok(machine) => {
                for proposal in bought(instance, machine) {
                    report.count(tenure.propose(NAME, proposal).await.map(drop));
                }
                return;
            }
            Err(error) => error,
        };
        match error.conclusion() {
            Conclusion::Final => {
                let proposal = fail(instance, failure_kind(&error), error.to_string());
                report.count(tenure.propose(NAME, proposal).await.map(drop));
            }
            Conclusion::Wait(pause) => {
                self.retry_after(tenure, id, pause);
                report.fail(format!("order {id}: {error}"));
            }
            Conclusion::Ambiguous => {
                let attempts = self.retries.get(id).map_or(0, |retry| retry.attempts);
                let pause = (FIRST_RETRY * 2_u32.saturating_pow(attempts)).min(LONGEST_RETRY);
                self.retry_after(tenure, id, pause);
                report.fail(format!("order {id} is asked again: {error}"));
            }
        }
    }

    fn retry_after(&mut self, tenure: &Tenure, id: &str, pause: Duration) {
        let jittered = pause.mul_f64(rand::rng().random_range(0.75..=1.25));
        let retry = self.retries.entry(id.to_owned()).or_default();
        retry.attempts = retry.attempts.saturating_add(1).min(16);
        retry.not_before = Some(tenure.ledger().clock().now() + jittered);
    }
}

#[async_trait]
impl Controller for Provisioner {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self, _: &FleetState) -> Duration {
        // Unanswered orders are asked again at their own times; this only looks whether one is due.
        Duration::from_secs(1)
    }

    fn wakes_on(&self, event: &FleetEvent) -> bool {
        matches!(
            event.kind.as_str(),
            "pool-created" | "pool-changed" | "pool-scaled" | "pool-decided" | "instance-failed"
                | "instance-terminated" | "instance-requested"
        )
    }

    async fn reconcile(&mut self, tenure: &Tenure) -> Report {
        let mut report = Report::default();
        self.request(tenure, &mut report).await;
        self.ask(tenure, &mut report).await;
        report
    }
}

/// Pools whose size is below their target, as far as their maximum leaves room. Size counts what is booting
/// and what is merely ordered, so that nothing is bought twice while machines boot.
fn shortages(fleet: &FleetState) -> Vec<Shortage<'_>> {
    let Some(spec) = fleet.spec() else { return Vec::new() };
    let shortage = |pool_spec| {
        let pool: &PoolSpec = pool_spec;
        let counts = fleet.pool_counts(&pool.name);
        let target = fleet.pool(&pool.name)?.target;
        let room = pool.max_nodes.saturating_sub(counts.occupancy());
        let missing = target.saturating_sub(counts.size()).min(room);
        (missing > 0).then_some(Shortage { pool, missing })
    };
    spec.pools.iter().filter_map(shortage).collect()
}

async fn request_one(
    tenure: &Tenure,
    order: RequestInstance,
    pool: &PoolSpec,
) -> Result<(), crate::ledger::ProposeError> {
    let reason = format!("pool {} is below its target", pool.name);
    let order = RequestInstance { reason, ..order };
    tenure.propose(NAME, Kind::RequestInstance(order)).await.map(drop)
}

/// Says why nothing is bought for a pool, once per change of reason.
async fn hold(
    tenure: &Tenure,
    fleet: &FleetState,
    pool: &PoolSpec,
    reason: &str,
    report: &mut Report,
) {
    if fleet.pool(&pool.name).is_some_and(|state| &*state.held_reason == reason) {
        return;
    }
    let hold = HoldPool { pool: pool.name.clone(), reason: reason.to_owned() };
    report.count(tenure.propose(NAME, Kind::HoldPool(hold)).await.map(drop));
}

async fn call(
    tenure: &Tenure,
    provider: &dyn crate::provider::Provider,
    instance: &Instance,
) -> Result<Machine, ProviderError> {
    if let Err(doubt) = tenure.confirm() {
        return Err(ProviderError::Unreachable(doubt.to_string()));
    }
    let order = Order {
        instance_id: instance.id.as_str().to_owned(),
        request_body: instance.request_body.clone(),
    };
    provider.order(&order, tenure.session()).await
}

/// What a machine that the provider names for an order means for its record. One that is gone already was
/// bought, and ended, before we heard of it.
fn bought(instance: &Instance, machine: Machine) -> Vec<Kind> {
    let gone = (!machine.state.is_live()).then(|| {
        let reason = format!("the provider's machine {} is {}", machine.id, machine.state);
        fail(instance, FailureKind::Vanished, reason)
    });
    let purchase = Kind::RecordPurchase(RecordPurchase {
        instance_id: instance.id.as_str().to_owned(),
        provider_ref: machine.id,
        region: machine.region,
        zone: machine.zone,
        price_per_hour: machine.price_per_hour,
    });
    std::iter::once(purchase).chain(gone).collect()
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

/// Sorts by time and is never minted twice (UUID v7).
fn new_instance_id(tenure: &Tenure) -> String {
    let random: [u8; 10] = rand::random();
    let wall_ms = tenure.ledger().clock().wall_ms();
    format!("i-{}", Builder::from_unix_timestamp_millis(wall_ms, &random).into_uuid().simple())
}
