use std::time::Duration;

use navarch::{
    client::{CallOptions, Client, rpc::ListReplicas},
    fake_cloud::ledger::Effect,
};
use navarch_proto::api;

use super::{Planted, shop::PLANTED};
use crate::{
    error::ChaosError,
    evidence::{Evidence, cloud, group},
    host::Host,
    invariants::{self, Invariant},
    operator::Operator,
    proc::Group,
    record::{InvariantRecord, Verdict},
    report::millis_of,
    wait::until,
};

/// How long peace may take: pauses after capacity failures last minutes, and what a cloud does not show is not
/// believed for more than one.
const PEACE_LIMIT: Duration = Duration::from_secs(400);
/// Limit of one call.
const LIMIT: Duration = Duration::from_secs(10);
/// The pools and their maxima.
const MAXIMA: [(&str, u32); 2] = [("by-hand", 8), ("busy", 5)];

/// What must hold of the whole run.
const INVARIANTS: [&dyn Invariant; 11] = [
    &invariants::BoughtOnce,
    &invariants::IntentFirst,
    &invariants::NothingLeaks,
    &invariants::WithinMaximum,
    &invariants::OneSessionActs,
    &invariants::OrderedWithinTarget,
    &invariants::TerminateReason,
    &invariants::JournalContiguous,
    &invariants::JournalEqual,
    &invariants::StatesEqual,
    &invariants::TimeForward,
];

/// What was found at the end.
pub(super) struct Settled {
    pub(super) bought: usize,
    pub(super) ended: usize,
    pub(super) settled_ms: u64,
    pub(super) invariants: Vec<InvariantRecord>,
}

/// The cluster's id, which machines bear.
pub(super) async fn cluster_id(host: &Host, client: &Client) -> Result<String, ChaosError> {
    until(host, "the cluster's id", LIMIT, || async {
        let request = api::ListReplicasRequest {};
        let answer = client.call::<ListReplicas>(request, &CallOptions::within(LIMIT)).await;
        answer.map(|answer| answer.message.cluster_id).map_err(|error| error.to_string())
    })
    .await
}

/// Waits until machines, records and targets agree, and judges the whole history.
pub(super) async fn settle(
    host: &Host,
    group: &mut Group,
    client: &Client,
    planted: &Planted,
) -> Result<Settled, ChaosError> {
    let cloud = group.cloud_address();
    let start = host.clock.now();
    let operator = Operator::new(client.clone());
    let peaceful = until(host, "peace", PEACE_LIMIT, || async {
        host.clock.sleep(Duration::from_millis(500)).await;
        operator.clear_the_well().await;
        let evidence = standing(host, client, &cloud, planted).await?;
        let leaks = invariants::NothingLeaks.check(&evidence);
        if leaks.verdict() == Verdict::Held { Ok(evidence) } else { Err(format!("{leaks:?}")) }
    });
    let evidence = match peaceful.await {
        Ok(evidence) => evidence,
        // Where peace does not return, what it lacks is what was found.
        Err(ChaosError::Late { .. }) => {
            standing(host, client, &cloud, planted).await.map_err(trouble("the group"))?
        }
        Err(error) => return Err(error),
    };
    let settled = host.clock.now().since(start);
    group.check_running()?;
    let ledger = cloud::ledger(host, &cloud).await.map_err(trouble("the fake cloud"))?;
    let of = |effect| ledger.iter().filter(move |entry| entry.effect == effect);
    let bought = of(Effect::Created).count();
    let ended = of(Effect::Terminated).filter(|entry| entry.method == "DELETE").count();
    let keys = ledger.iter().filter_map(|entry| entry.idempotency_key.clone());
    let evidence = Evidence {
        outside_orders: keys.filter(|key| key.starts_with(PLANTED)).collect(),
        journals: group::journals(group).await?,
        states: group::passing_states(host, group).await,
        ledger: Some(ledger),
        ..evidence
    };
    Ok(Settled {
        bought,
        ended,
        settled_ms: millis_of(settled),
        invariants: invariants::judge(&INVARIANTS, &evidence),
    })
}

/// What a program says that does not do what the run needs.
pub(super) fn trouble(program: &'static str) -> impl Fn(String) -> ChaosError {
    move |problem| ChaosError::Tool { program: program.to_owned(), problem }
}

/// What shows whether every pool has its target, all of it running, and the cloud these machines and no others of ours.
async fn standing(
    host: &Host,
    client: &Client,
    cloud: &str,
    planted: &Planted,
) -> Result<Evidence, String> {
    let text = |error: ChaosError| error.to_string();
    Ok(Evidence {
        pools: Some(group::pools(client).await.map_err(text)?),
        instances: Some(group::instances(client).await.map_err(text)?),
        machines: Some(cloud::machines(host, cloud).await?),
        strangers: [planted.theirs.clone()].into(),
        maxima: MAXIMA.map(|(pool, maximum)| (pool.to_owned(), maximum)).into(),
        ..Evidence::default()
    })
}
