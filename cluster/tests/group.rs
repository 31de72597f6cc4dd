//! Three replicas that form a group, write, read, lose their leader and hand it over.

mod common;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{Home, homes, leader, start_all, within};
use navarch_cluster::{ProposeError, RelayError, ReplicaId};
use navarch_host::{Clock, FakeClock};

/// Without it nothing else here would mean anything: three fresh replicas become one group that agrees.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_form_a_group_write_and_read_everywhere() {
    let homes = homes(&["a", "b", "c"]);
    let replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    for number in 0..20 {
        replicas[first].write(&format!("entry {number}")).await;
    }
    let cluster_id = replicas[first].replica.status().cluster_id;
    for (position, live) in replicas.iter().enumerate() {
        let read = live.read().await;
        assert_eq!(read.len(), 20, "replica {position} is not up to date after a read index");
        assert_eq!(live.replica.status().cluster_id, cluster_id);
        assert_eq!(live.id(), ReplicaId(position as u64 + 1));
        if position != first {
            let refused = live.replica.propose(Bytes::from("x"), live.soon()).await;
            let leader = Some(replicas[first].id());
            assert_eq!(refused, Err(ProposeError::NotLeader { leader }));
        }
    }
    let status = replicas[first].replica.status();
    assert_eq!(status.replicas.len(), 3);
    assert!(
        status.replicas.iter().all(|replica| replica.voter && replica.lag == Some(0)),
        "{status:?}"
    );
    assert_eq!(status.replicas[1].public_address, "b-public:1");
}

/// Without it an acknowledged write could die with the leader, or the group stay without one for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_is_replaced_and_nothing_is_lost() {
    let homes = homes(&["a", "b", "c"]);
    let mut replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    for number in 0..50 {
        replicas[first].write(&format!("before {number}")).await;
    }
    let clock = replicas[first].clock.clone();
    replicas.remove(first).kill();
    let killed_at = clock.now();
    let second = leader(&replicas).await;
    replicas[second].write("after").await;
    let gap = clock.now().since(killed_at);
    for live in &replicas {
        let read = live.read().await;
        assert_eq!(read.len(), 51);
        assert_eq!(read[50], "after");
    }
    assert!(gap < Duration::from_secs(2), "the next write came after {gap:?}");

    // The killed one comes back with its log and catches up.
    let back = homes[first].start().await;
    assert_eq!(back.read().await.len(), 51);
}

/// Without it a planned stop would cost an election's time, or lose what was under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over_without_a_lost_answer() {
    let homes = homes(&["a", "b", "c"]);
    let replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    let live = &replicas[first];
    live.write("warm").await;
    let target = (first + 1) % 3;
    // Learners of what was written are known to be heard only after a heartbeat.
    let clock = live.clock.clone();
    clock.sleep(Duration::from_millis(300)).await;
    let writes = (0..64).map(|number| {
        let payload = Bytes::from(format!("during {number}"));
        live.replica.propose(payload, live.soon())
    });
    let id = replicas[target].id();
    let handed = live.replica.transfer_leader(Some(id), live.soon());
    let started_at = clock.now();
    let (written, handed) = futures::join!(futures::future::join_all(writes), handed);
    assert_eq!(handed, Ok(id));
    let second = leader(&replicas).await;
    replicas[second].write("after").await;
    let gap = clock.now().since(started_at);
    assert_eq!(second, target);
    assert!(
        written.iter().all(|result| !matches!(result, Err(ProposeError::Unknown { .. }))),
        "{written:?}"
    );
    assert!(gap < Duration::from_millis(500), "the hand-over took {gap:?}");
    let accepted = written.iter().filter(|result| result.is_ok()).count();
    assert_eq!(replicas[first].read().await.len(), accepted + 2);
}

/// Without it a relayed call could be lost without a word, or be answered by a replica that does not lead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relayed_calls_reach_the_leader_or_say_why_not() {
    let homes = homes(&["a", "b", "c"]);
    let mut replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    let from = (first + 1) % 3;
    within(Duration::from_secs(5), "the follower knows no leader", async || {
        replicas[from].replica.leadership().borrow().leader
    })
    .await;
    let follower = &replicas[from];
    let calls = (0..500).map(|number| {
        follower.replica.relay(Bytes::from(format!("call {number}")), follower.soon())
    });
    for (number, answer) in futures::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), format!("{}:call {number}", follower.id()));
    }
    let own = replicas[first].replica.relay(Bytes::from("x"), replicas[first].soon()).await;
    assert!(matches!(own, Err(RelayError::NotSent { .. })), "{own:?}");

    replicas.remove(first).kill();
    let follower = &replicas[if from > first { from - 1 } else { from }];
    let deadline = follower.clock.now() + Duration::from_millis(200);
    let lost = follower.replica.relay(Bytes::from("x"), deadline).await;
    assert!(
        matches!(
            lost,
            Err(RelayError::NotSent { .. } | RelayError::Unknown { .. } | RelayError::NoLeader)
        ),
        "{lost:?}"
    );
}

/// Without it a leader that was cut off would go on to act as one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_without_a_quorum_stops_being_local() {
    let homes = homes(&["a", "b", "c"]);
    let mut replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    let alone = replicas.remove(first);
    assert!(alone.replica.quorum_acknowledged_within(Duration::from_secs(1)));
    for follower in replicas {
        follower.kill();
    }
    let mut leadership = alone.replica.leadership();
    let limit = Duration::from_secs(2);
    let lost = leadership.wait_for(|leadership| !leadership.local);
    let lost = alone.clock.timeout(limit, lost).await;
    assert!(lost.is_ok(), "still local {limit:?} after the last follower died");
    assert!(!alone.replica.quorum_acknowledged_within(Duration::from_millis(300)));
    let deadline = alone.clock.now() + Duration::from_millis(300);
    assert!(alone.replica.read_index(deadline).await.is_err());
}

/// Without it a stop of the leader would make the others wait for an election.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_shuts_down_hands_over_first() {
    let homes = homes(&["a", "b", "c"]);
    let mut replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    replicas[first].write("one").await;
    let stopping = replicas.remove(first);
    stopping.clock.sleep(Duration::from_millis(300)).await;
    let clock = stopping.clock.clone();
    let started_at = clock.now();
    let (replica, machine) = (stopping.replica.clone(), stopping.machine.clone());
    let stopped = tokio::spawn(async move { replica.shutdown().await });
    let second = leader(&replicas).await;
    replicas[second].write("two").await;
    let gap = clock.now().since(started_at);
    stopped.await.unwrap();
    machine.kill();
    assert!(gap < Duration::from_millis(500), "the gap was {gap:?}");

    // The directory is free again, and its log is whole.
    drop(stopping);
    let back = homes[first].start().await;
    assert_eq!(back.read().await, ["one", "two"]);
}

/// Without it the opening of a session would follow one machine's clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_tells_its_wall_clocks() {
    let homes = homes(&["a", "b", "c"]);
    let replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    let live = &replicas[first];
    let told = live.replica.majority_wall_clock(live.soon()).await.unwrap();
    assert!(told.abs_diff(live.clock.wall_ms()) < 5_000);
}

/// Without it a follower would go on to name a dead leader, and callers would be sent there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_hears_nobody_knows_no_leader() {
    let homes = homes(&["a", "b", "c"]);
    let mut replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    let alone = replicas.remove((first + 1) % 3);
    let mut leadership = alone.replica.leadership();
    let known = leadership.wait_for(|leadership| leadership.leader.is_some());
    assert!(alone.clock.timeout(Duration::from_secs(5), known).await.is_ok());
    for other in replicas {
        other.kill();
    }
    let limit = Duration::from_secs(2);
    let unknown = leadership.wait_for(|leadership| leadership.leader.is_none());
    assert!(alone.clock.timeout(limit, unknown).await.is_ok());
    let deadline = alone.clock.now() + Duration::from_millis(100);
    let waited = alone.replica.relay(Bytes::from("x"), deadline).await;
    assert_eq!(waited, Err(RelayError::NoLeader));
}

/// Without it a group whose callers live by a clock that is moved by hand would stand still with it, or lose its
/// leader when it leaps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_while_its_callers_clock_stands_or_leaps() {
    let time = FakeClock::new(1_000_000_000);
    let home = Home::new("a");
    let mut config = home.config();
    config.bootstrap = true;
    let live = home.start_by(config, Clock::fake(Arc::clone(&time))).await.unwrap();
    let live = [live];
    leader(&live).await;
    let [live] = live;
    live.write("while it stands").await;
    let told = live.replica.majority_wall_clock(live.soon()).await.unwrap();
    assert_eq!(told, 1_000_000_000, "LogTime is the callers'");
    let term = live.replica.status().term;
    time.advance(Duration::from_secs(86_400)).await;
    live.write("after a day").await;
    assert_eq!(live.read().await, ["while it stands", "after a day"]);
    assert_eq!(live.replica.status().term, term, "no election");
}
