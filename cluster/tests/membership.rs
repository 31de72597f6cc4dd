//! Groups that grow and shrink while writes go on, and replicas that were removed.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::{Home, Live, homes, leader, start_all, within};
use navarch_cluster::{MembershipError, ReplicaId, Role, StopReason};
use tokio::task::JoinHandle;

/// Writes one entry after another until `done`; no write may fail. How many it were.
fn write_until(live: &Live, done: Arc<AtomicBool>) -> JoinHandle<usize> {
    let (replica, clock) = (live.replica.clone(), live.clock.clone());
    tokio::spawn(async move {
        let mut written = 0;
        while !done.load(Ordering::Relaxed) {
            let deadline = clock.now() + Duration::from_secs(5);
            let payload = Bytes::from(format!("entry {written}"));
            let result = replica.propose(payload, deadline).await;
            assert!(result.is_ok(), "{result:?}");
            written += 1;
        }
        written
    })
}

async fn assert_removed(live: &Live) {
    let reason = within(Duration::from_secs(5), "it goes on", async || {
        live.replica.stopped().borrow().clone()
    })
    .await;
    assert!(matches!(reason, StopReason::Removed { .. }), "{reason:?}");
}

/// Without it a group could not be repaired or enlarged without stopping it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_grows_to_five_and_shrinks_to_three_while_writes_go_on() {
    let homes = homes(&["a", "b", "c"]);
    let mut replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    let done = Arc::new(AtomicBool::new(false));
    let writer = write_until(&replicas[first], Arc::clone(&done));
    let late = [Home::new("d"), Home::new("e")];
    let mut added = Vec::new();
    for home in &late {
        let live = home.start().await;
        let leading = &replicas[first];
        let id =
            leading.replica.add_learner(&home.name, &home.address, leading.soon()).await.unwrap();
        // Repeated, as by a caller that lost the answer.
        let again = leading.replica.add_learner(&home.name, &home.address, leading.soon()).await;
        assert_eq!(again, Ok(id));
        leading.replica.promote(id, leading.soon()).await.unwrap();
        assert_eq!(leading.replica.promote(id, leading.soon()).await, Ok(()));
        added.push(id);
        replicas.push(live);
    }
    assert!(added[0].0 > 9 && added[1] > added[0], "{added:?}");
    let voters = |live: &Live| live.replica.status().replicas.iter().filter(|it| it.voter).count();
    assert_eq!(voters(&replicas[first]), 5);
    for id in &added {
        let leading = &replicas[first];
        leading.replica.remove(*id, leading.soon()).await.unwrap();
    }
    assert_eq!(voters(&replicas[first]), 3);
    done.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    for live in &replicas[..3] {
        assert_eq!(live.read().await.len(), written);
    }
    // Those removed notice it by themselves, and say so.
    for live in &replicas[3..] {
        assert_removed(live).await;
    }
}

/// Without it an operator could lose the group's last voter, or a learner would count as one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_make_no_sense_are_refused() {
    let home = Home::new("solo");
    let mut config = home.config();
    config.bootstrap = true;
    let solo = home.start_with(config).await.unwrap();
    leader(std::slice::from_ref(&solo)).await;
    let replica = &solo.replica;
    let only = ReplicaId(1);
    assert_eq!(
        replica.remove(only, solo.soon()).await,
        Err(MembershipError::LastVoter { id: only })
    );
    let unknown = ReplicaId(77);
    let not_found = Err(MembershipError::NotFound { id: unknown });
    assert_eq!(replica.remove(unknown, solo.soon()).await, not_found);
    assert_eq!(replica.promote(unknown, solo.soon()).await, not_found);
    let nobody = replica.add_learner("x", &common::fresh_address(), solo.soon()).await;
    assert!(matches!(nobody, Err(MembershipError::Unreachable { .. })), "{nobody:?}");
    let exposed = replica.add_learner("x", "10.1.2.3:7000", solo.soon()).await;
    assert!(matches!(exposed, Err(MembershipError::Refused { .. })), "{exposed:?}");

    let waiting = Home::new("d");
    let live = waiting.start().await;
    let misnamed = replica.add_learner("x", &waiting.address, solo.soon()).await;
    assert!(matches!(misnamed, Err(MembershipError::Refused { .. })), "{misnamed:?}");
    let id = replica.add_learner("d", &waiting.address, solo.soon()).await.unwrap();
    let refused = replica.transfer_leader(Some(id), solo.soon()).await;
    assert!(matches!(refused, Err(MembershipError::BadTarget { .. })), "{refused:?}");
    let status = replica.status();
    let learner = status.replicas.iter().find(|it| it.id == id).unwrap();
    assert_eq!((learner.role, learner.voter), (Role::Learner, false));
    assert_eq!(live.read().await, Vec::<String>::new());
    // A learner alone does not make a write durable twice, and its end stops nothing.
    live.kill();
    solo.write("one").await;
}

/// Without it the leader could not be removed, or its removal would lose the leadership for an election.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_to_go_hands_over_and_is_removed_by_the_next() {
    let homes = homes(&["a", "b", "c"]);
    let replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    replicas[first].write("one").await;
    replicas[first].clock.sleep(Duration::from_millis(300)).await;
    let id = replicas[first].id();
    let refused = replicas[first].replica.remove(id, replicas[first].soon()).await;
    assert!(matches!(refused, Err(MembershipError::NotLeader { leader: Some(_) })), "{refused:?}");
    let second = leader(&replicas).await;
    assert_ne!(first, second);
    replicas[second].replica.remove(id, replicas[second].soon()).await.unwrap();
    assert_removed(&replicas[first]).await;
    replicas[second].write("two").await;
    assert_eq!(replicas[second].replica.status().replicas.len(), 2);
}

/// Without it a replica that was away for long could never catch up: the entries it lacks are purged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_replica_catches_up_by_snapshot() {
    let home = Home::new("solo");
    let mut config = home.config();
    config.bootstrap = true;
    config.limits.snapshot_every = 200;
    let solo = home.start_with(config).await.unwrap();
    leader(std::slice::from_ref(&solo)).await;
    let total = 12_000_usize;
    for start in (0..total).step_by(500) {
        let writes = (start..start + 500).map(|number| {
            solo.replica.propose(Bytes::from(format!("entry {number}")), solo.soon())
        });
        for result in futures::future::join_all(writes).await {
            result.unwrap();
        }
    }
    // Snapshots are written beside the writes, so the last one comes a little later.
    let limit = solo.soon();
    while solo.replica.status().snapshot <= 10_500 {
        assert!(solo.clock.now() < limit, "{:?}", solo.replica.status());
        solo.clock.sleep(Duration::from_millis(20)).await;
    }
    let late = Home::new("late");
    let live = late.start().await;
    let id = solo.replica.add_learner("late", &late.address, solo.soon()).await.unwrap();
    solo.replica.promote(id, solo.clock.now() + Duration::from_secs(20)).await.unwrap();
    assert_eq!(live.read().await.len(), total);
}
