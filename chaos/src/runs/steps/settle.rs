use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use navarch::client::{
    CallOptions, Client,
    rpc::{ListInstances, ListPools, ListReplicas},
};
use navarch_proto::api;

use super::{Planted, ledger::Ledger};
use crate::{
    error::ChaosError,
    host::Host,
    load::journal,
    proc::{Group, http},
    wait::until,
};

/// How long peace may take: pauses after capacity failures last minutes, and what a cloud does not show is not
/// believed for more than one.
const PEACE_LIMIT: Duration = Duration::from_secs(400);
/// Limit of one call.
const LIMIT: Duration = Duration::from_secs(10);
/// The pools and their maxima.
const MAXIMA: [(&str, u32); 2] = [("by-hand", 8), ("busy", 5)];

/// What was found at the end.
pub(super) struct Settled {
    pub(super) bought: usize,
    pub(super) ended: usize,
    pub(super) settled_ms: u64,
    pub(super) violations: Vec<String>,
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

/// Waits until ledger, records and targets agree, and compares the whole history.
pub(super) async fn settle(
    host: &Host,
    group: &mut Group,
    client: &Client,
    planted: &Planted,
) -> Result<Settled, ChaosError> {
    let cloud = group.cloud_address();
    let start = host.clock.now();
    until(host, "peace", PEACE_LIMIT, || async {
        host.clock.sleep(Duration::from_millis(500)).await;
        compare(host, client, &cloud, planted).await
    })
    .await?;
    let settled = host.clock.now().since(start);
    group.check_running()?;
    let ledger = ledger(host, &cloud).await.map_err(trouble("the fake cloud"))?;
    let events = journal(client, 0).await?;
    let mut violations = ledger.bought_twice();
    violations.extend(ledger.over(&BTreeMap::from(MAXIMA)));
    let reasons = reasons(&events);
    let ended: Vec<_> = ledger.ended_by_replicas().collect();
    for (machine, order) in &ended {
        if !reasons.contains(*order) && !reasons.contains(*machine) {
            violations.push(format!("machine {machine} of order {order} ended for no reason"));
        }
    }
    if ended.iter().any(|(machine, _)| *machine == planted.theirs) {
        violations.push(format!("machine {} is somebody else's, and was ended", planted.theirs));
    }
    Ok(Settled {
        bought: ledger.bought(),
        ended: ended.len(),
        settled_ms: u64::try_from(settled.as_millis()).unwrap_or(u64::MAX),
        violations,
    })
}

/// What a program says that does not do what the run needs.
pub(super) fn trouble(program: &'static str) -> impl Fn(String) -> ChaosError {
    move |problem| ChaosError::Tool { program: program.to_owned(), problem }
}

/// `Ok` once every pool has its target, all of it running, and the cloud has these machines and no others of ours.
async fn compare(
    host: &Host,
    client: &Client,
    cloud: &str,
    planted: &Planted,
) -> Result<(), String> {
    let options = CallOptions::within(LIMIT);
    let text = |error: navarch::client::CallError| error.to_string();
    let pools = client.call::<ListPools>(api::ListPoolsRequest {}, &options).await.map_err(text)?;
    let pools = pools.message.pools;
    let settled = |pool: &api::PoolInfo| {
        let sizes = [pool.size, pool.running, pool.occupancy, pool.healthy_nodes];
        sizes.iter().all(|size| *size == pool.target)
    };
    if pools.len() != MAXIMA.len() || !pools.iter().all(settled) {
        return Err(format!("{pools:#?}"));
    }
    let request = api::ListInstancesRequest::default();
    let records = client.call::<ListInstances>(request, &options).await.map_err(text)?;
    let running = |one: &&api::InstanceInfo| one.state() == api::InstanceState::Running;
    let mut records: BTreeSet<String> = records
        .message
        .instances
        .iter()
        .filter(running)
        .map(|one| one.provider_ref.clone())
        .collect();
    records.insert(planted.theirs.clone());
    let machines = machines(host, cloud).await?;
    if machines == records {
        return Ok(());
    }
    let odd = machines.difference(&records);
    Err(format!("machines without a record: {odd:?}; records: {records:?}"))
}

/// The ids of the machines that the cloud has.
async fn machines(host: &Host, cloud: &str) -> Result<BTreeSet<String>, String> {
    let answer = http::get(host, cloud, "/v1/instances?page_size=1000", LIMIT).await?;
    let listed: serde_json::Value =
        serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
    let all = listed["instances"].as_array().cloned().unwrap_or_default();
    let live = |one: &&serde_json::Value| one["state"] != "terminated";
    Ok(all.iter().filter(live).filter_map(|one| Some(one["id"].as_str()?.to_owned())).collect())
}

async fn ledger(host: &Host, cloud: &str) -> Result<Ledger, String> {
    Ledger::read(&http::get(host, cloud, "/v1/ledger", LIMIT).await?.body)
}

/// Instances, and machines of orphans, that the journal says were given back, each with a reason.
fn reasons(events: &[api::FleetEvent]) -> BTreeSet<&str> {
    const KINDS: [&str; 3] = ["instance-terminating", "instance-failed", "orphan-found"];
    let told =
        events.iter().filter(|event| KINDS.contains(&&*event.kind) && !event.reason.is_empty());
    told.flat_map(|event| {
        let machine = event.changes.iter().find(|change| change.field == "provider_ref");
        let id = event.subject.strip_prefix("instance/");
        id.into_iter().chain(machine.map(|change| change.after.as_str()))
    })
    .collect()
}
