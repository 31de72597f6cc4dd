use std::time::Duration;

use navarch::client::{
    CallOptions, Client,
    rpc::{AddReplica, RemoveReplica},
};
use navarch_chaos::{
    Host,
    load::{Workload, WorkloadOptions, check},
    proc::{Group, Standing},
    until,
};
use navarch_proto::api;

use crate::{LIMIT, Turn, group};

fn load() -> WorkloadOptions {
    WorkloadOptions { writers: 3, ..WorkloadOptions::default() }
}

async fn add(client: &Client, group: &Group, index: usize) -> u64 {
    let request = api::AddReplicaRequest {
        name: group.name(index).to_owned(),
        address: group.peer_address(index).to_owned(),
        voter: true,
    };
    let answer = client.call::<AddReplica>(request, &CallOptions::within(LIMIT)).await.unwrap();
    answer.message.replica.unwrap().id
}

async fn remove(client: &Client, id: u64) {
    let request = api::RemoveReplicaRequest { id };
    client.call::<RemoveReplica>(request, &CallOptions::within(LIMIT)).await.unwrap();
}

/// Waits until the leader knows `voters` voters and nobody else.
async fn wait_for_voters(host: &Host, group: &Group, voters: usize) -> Standing {
    until(host, "the voters", LIMIT, || async {
        let leader = group.leader(LIMIT).await.map_err(|error| error.to_string())?;
        let standing = group.standing(leader).await?;
        let all = standing.replicas.iter().filter(|(_, _, voter)| *voter).count();
        if all == voters && standing.replicas.len() == voters {
            Ok(standing)
        } else {
            Err(format!("{standing:?}"))
        }
    })
    .await
    .unwrap()
}

/// Waits until further writes have been acknowledged.
async fn go_on(host: &Host, workload: &Workload) {
    let history = workload.history();
    let before = history.counts().writes;
    until(host, "further writes", LIMIT, || {
        let writes = history.counts().writes;
        std::future::ready(if writes > before + 20 { Ok(()) } else { Err(writes.to_string()) })
    })
    .await
    .unwrap();
}

/// Without it a lost disk would mean a lost replica, or one that votes twice under its old id.
#[tokio::test]
async fn a_wiped_replica_comes_back_under_a_new_id() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let mut group = Group::start(host, group()).await.unwrap();
    let workload = Workload::start(host, &group, load()).unwrap();
    go_on(host, &workload).await;
    let victim = (group.leader(LIMIT).await.unwrap() + 1) % group.len();
    let old = group.standing(victim).await.unwrap().id;
    group.kill(victim).await.unwrap();
    group.wipe(victim).unwrap();
    group.start_replica(victim).unwrap();
    // It must not come back by itself: its old id may have voted.
    let waiting = until(host, "the wiped replica", LIMIT, || group.standing(victim));
    assert_eq!(waiting.await.unwrap().id, 0);
    let refused = group.readiness(victim, Duration::from_secs(5)).await.unwrap();
    assert_eq!(refused.status, 503, "{refused:?}");
    go_on(host, &workload).await;
    let client = group.client().unwrap();
    remove(&client, old).await;
    let new = add(&client, &group, victim).await;
    group.wait_ready(victim, LIMIT).await.unwrap();
    assert_ne!(new, old);
    assert_eq!(group.standing(victim).await.unwrap().id, new);
    wait_for_voters(host, &group, 3).await;
    go_on(host, &workload).await;
    let history = workload.stop().await;
    assert_eq!(history.counts().failed_writes, 0, "{:#?}", history.failures());
    check(host, &group, &history, Vec::new()).await.unwrap();
    assert!(history.violations().is_empty(), "{:#?}", history.violations());
}

/// Without it no machine could be replaced while the fleet is in use.
#[tokio::test]
async fn three_become_five_and_three_again_without_a_failed_write() {
    let turn = Turn::take().await;
    let host = &turn.host;
    let mut group = Group::start(host, group()).await.unwrap();
    let workload = Workload::start(host, &group, load()).unwrap();
    let client = group.client().unwrap();
    go_on(host, &workload).await;
    let mut added = Vec::new();
    for _ in 0..2 {
        let index = group.start_another().unwrap();
        let waiting = until(host, "the new replica", LIMIT, || group.standing(index));
        waiting.await.unwrap();
        added.push(add(&client, &group, index).await);
        group.wait_ready(index, LIMIT).await.unwrap();
        go_on(host, &workload).await;
    }
    wait_for_voters(host, &group, 5).await;
    for id in added.into_iter().rev() {
        remove(&client, id).await;
        go_on(host, &workload).await;
    }
    let standing = wait_for_voters(host, &group, 3).await;
    assert!(standing.replicas.iter().all(|(_, name, _)| ["r1", "r2", "r3"].contains(&&**name)));
    for _ in 0..2 {
        group.retire_last();
    }
    let history = workload.stop().await;
    assert_eq!(history.counts().failed_writes, 0, "{:#?}", history.failures());
    check(host, &group, &history, Vec::new()).await.unwrap();
    assert!(history.violations().is_empty(), "{:#?}", history.violations());
}
