use std::{collections::BTreeMap, time::Duration};

use navarch::client::{CallOptions, Client, rpc::ListCommands};
use navarch_proto::api;

use super::{Machines, stage_set::POOL};
use crate::{
    error::ChaosError,
    evidence::{Evidence, Window, cloud, group},
    history::Event,
    host::Host,
    invariants::{self, Invariant},
    proc::Group,
    record::Verdict,
    wait::until,
};

/// How long peace may take: what a cloud does not show is not believed for more than a minute, and pauses after
/// failures last as long.
const PEACE_LIMIT: Duration = Duration::from_secs(300);
/// Limit of one call.
const LIMIT: Duration = Duration::from_secs(10);

/// What must hold of a group with machines, whatever befell it.
pub(super) const INVARIANTS: [&dyn Invariant; 12] = [
    &invariants::BoughtOnce,
    &invariants::IntentFirst,
    &invariants::NothingLeaks,
    &invariants::WithinMaximum,
    &invariants::OneSessionActs,
    &invariants::TerminateReason,
    &invariants::JournalContiguous,
    &invariants::JournalEqual,
    &invariants::StatesEqual,
    &invariants::TimeForward,
    &invariants::CommandsOnce,
    &invariants::HealthyKept,
];

/// Who gives machines back that a pool has beyond its target, be they ever so healthy.
const SCALES_DOWN: &str = "controller:scale-down";

/// Waits until machines, records and targets agree, and gathers what the run is judged by.
pub(super) async fn peace(
    host: &Host,
    replicas: &Group,
    machines: &Machines,
    (history, issued): (Vec<Event>, Vec<(String, String)>),
) -> Result<Evidence, ChaosError> {
    let (client, cloud) = (replicas.client()?, replicas.cloud_address());
    let quiet = until(host, "peace", PEACE_LIMIT, || async {
        host.clock.sleep(Duration::from_millis(500)).await;
        quiet(host, &client, &cloud, machines).await
    })
    .await;
    let quiet = match quiet {
        Ok(evidence) => evidence,
        // That it never comes about is what `nothing-leaks` is there to say, on what there is.
        Err(ChaosError::Late { .. }) => {
            look(host, &client, &cloud, machines).await.map_err(trouble)?
        }
        Err(error) => return Err(error),
    };
    let ledger = cloud::ledger(host, &cloud).await.map_err(trouble)?;
    let receipts = cloud::receipts(host, &cloud).await.map_err(trouble)?;
    let journals = group::journals(replicas).await?;
    Ok(Evidence {
        history,
        beating: cloud::beating(host, &cloud).await.map_err(trouble)?,
        // Whether a leader has just died or not: no node that beats may be ended but for its pool's size.
        failovers: vec![Window { from_ms: 0, until_ms: u64::MAX }],
        given_back: journals.values().flatten().filter_map(scaled_down).collect(),
        journals,
        states: group::passing_states(host, replicas).await,
        ledger: Some(ledger),
        commands: ended(host, &client, &issued).await,
        receipts: Some(receipts),
        ..quiet
    })
}

/// The instance that an event gives back because its pool is to be smaller.
fn scaled_down(event: &api::FleetEvent) -> Option<String> {
    let given = event.kind == "instance-terminating" && event.actor == SCALES_DOWN;
    event.subject.strip_prefix("instance/").filter(|_| given).map(str::to_owned)
}

/// Commands that were issued, of nodes that are still there, once they have ended or their time has passed.
async fn ended(host: &Host, client: &Client, issued: &[(String, String)]) -> Vec<api::CommandInfo> {
    let mut nodes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (node, command) in issued {
        nodes.entry(node).or_default().push(command);
    }
    let mut found = Vec::new();
    for (node_id, commands) in nodes {
        let looked = until(host, "the end of commands", LIMIT, || async {
            let request = api::ListCommandsRequest { node_id: node_id.to_owned() };
            let answer = client.call::<ListCommands>(request, &CallOptions::within(LIMIT)).await;
            // One that was given back is forgotten, and its commands with it.
            let Ok(answer) = answer else { return Ok(Vec::new()) };
            let all = answer.message.commands.into_iter();
            let ours: Vec<_> =
                all.filter(|one| commands.contains(&one.command_id.as_str())).collect();
            let ended = |one: &api::CommandInfo| match one.state() {
                api::CommandState::Succeeded
                | api::CommandState::Failed
                | api::CommandState::Expired => true,
                api::CommandState::Unknown
                | api::CommandState::Queued
                | api::CommandState::Delivered => false,
            };
            if ours.iter().all(ended) { Ok(ours) } else { Err(format!("{ours:?}")) }
        });
        found.extend(looked.await.unwrap_or_default());
    }
    found
}

async fn quiet(
    host: &Host,
    client: &Client,
    cloud: &str,
    machines: &Machines,
) -> Result<Evidence, String> {
    let evidence = look(host, client, cloud, machines).await?;
    let leaks = invariants::NothingLeaks.check(&evidence);
    if leaks.verdict() == Verdict::Held { Ok(evidence) } else { Err(format!("{leaks:?}")) }
}

async fn look(
    host: &Host,
    client: &Client,
    cloud: &str,
    machines: &Machines,
) -> Result<Evidence, String> {
    let text = |error: ChaosError| error.to_string();
    Ok(Evidence {
        pools: Some(group::pools(client).await.map_err(text)?),
        instances: Some(group::instances(client).await.map_err(text)?),
        machines: Some(cloud::machines(host, cloud).await?),
        maxima: [(POOL.to_owned(), machines.most)].into(),
        ..Evidence::default()
    })
}

fn trouble(problem: String) -> ChaosError {
    ChaosError::Tool { program: "the fake cloud".to_owned(), problem }
}
