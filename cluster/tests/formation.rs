//! Groups that form whatever is killed meanwhile, and replicas that must not join one.

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{Home, Live, homes, leader, start_all, wipe, within};
use navarch_cluster::{InitialReplica, StartError};

/// Kills in a row; the whole suite of kills is the release check's.
const ROUNDS: u64 = 15;

/// Without it a crash during formation could leave two groups, or replicas that never find each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn formation_survives_kills_at_any_time() {
    for round in 0..ROUNDS {
        let homes = homes(&["a", "b", "c"]);
        let mut live: Vec<Option<Live>> = Vec::new();
        for home in &homes {
            live.push(Some(home.start().await));
        }
        // Formation takes up to a round of questions, 200 ms; the kills fall before, in and after it.
        let clock = live[0].as_ref().unwrap().clock.clone();
        for kill in 0..2 {
            let random = round * 7 + kill * 13;
            clock.sleep(Duration::from_millis(random * 31 % 230)).await;
            let victim = usize::try_from(random % 3).unwrap();
            live[victim].take().unwrap().kill();
            live[victim] = Some(homes[victim].start().await);
        }
        let replicas: Vec<Live> = live.into_iter().flatten().collect();
        let first = leader(&replicas).await;
        replicas[first].write("one").await;
        for replica in &replicas {
            within(Duration::from_secs(5), "a replica stays outside", async || {
                replica.replica.status().cluster_id
            })
            .await;
            assert_eq!(replica.read().await, ["one"], "round {round}");
        }
        let ids: BTreeSet<_> = replicas.iter().map(|it| it.replica.status().cluster_id).collect();
        assert_eq!(ids.len(), 1, "round {round}: more than one group");
    }
}

/// Without it a replica that lost its disk, and with it its votes, could vote again under its old id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_replica_stays_outside_under_its_old_name() {
    let homes = homes(&["a", "b", "c"]);
    let mut replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    replicas[first].write("one").await;
    let victim = if first == 0 { 1 } else { 0 };
    replicas.remove(victim).kill();
    wipe(homes[victim].dir.path());
    let wiped = homes[victim].start().await;
    wiped.clock.sleep(Duration::from_millis(1_500)).await;
    assert_eq!(wiped.replica.status().local, None);

    let first = leader(&replicas).await;
    let live = &replicas[first];
    let name = &homes[victim].name;
    let refused = live.replica.add_learner(name, &homes[victim].address, live.soon()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("navarch replica remove"), "{refused}");

    // As the message says: removed and added again, it comes back under a new id.
    let old_id = navarch_cluster::ReplicaId(victim as u64 + 1);
    live.replica.remove(old_id, live.soon()).await.unwrap();
    let new_id = live.replica.add_learner(name, &homes[victim].address, live.soon()).await.unwrap();
    assert!(new_id.0 > 9, "{new_id}");
    live.replica.promote(new_id, live.soon()).await.unwrap();
    assert_eq!(wiped.read().await, ["one"]);
}

/// Without it the first replica alone would form a group, and the others another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_forms_a_group_before_all_have_answered() {
    let homes = homes(&["a", "b", "c"]);
    let (a, b) = (homes[0].start().await, homes[1].start().await);
    a.clock.sleep(Duration::from_millis(700)).await;
    assert_eq!(a.replica.status().cluster_id, None);
    assert_eq!(b.replica.status().cluster_id, None);
    let c = homes[2].start().await;
    leader(&[a, b, c]).await;
}

/// Without it `bootstrap` on one machine of a running group would make a second group.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bootstrap_forms_a_group_alone_and_never_beside_one() {
    let home = Home::new("solo");
    let mut config = home.config();
    config.bootstrap = true;
    let solo = home.start_with(config.clone()).await.unwrap();
    leader(std::slice::from_ref(&solo)).await;
    solo.write("one").await;
    assert_eq!(solo.read().await, ["one"]);

    let mut other = Home::new("other");
    other.initial_replicas = vec![
        InitialReplica { name: "solo".to_owned(), address: home.address.clone() },
        InitialReplica { name: "other".to_owned(), address: other.address.clone() },
    ];
    let mut beside = other.config();
    beside.bootstrap = true;
    beside.timings.bootstrap_wait = Duration::from_millis(500);
    let refused = other.start_with(beside.clone()).await;
    assert!(matches!(refused, Err(StartError::Bootstrap(_))));

    // Its own restart is no second bootstrap.
    solo.kill();
    let refused = other.start_with(beside).await;
    assert!(matches!(refused, Err(StartError::Bootstrap(_))), "a silent peer was taken for none");
    let solo = home.restart_with(config).await;
    assert_eq!(solo.read().await, ["one"]);
}

/// Without it a mistake in the configuration would show as a replica that hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_that_cannot_succeed_say_why() {
    let home = Home::new("a");
    let mut config = home.config();
    config.bootstrap = true;
    let running = home.start_with(config.clone()).await.unwrap();

    let message = |result: Result<Live, StartError>| match result {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    };
    // The port is taken.
    let second = Home::new("b");
    let mut taken = second.config();
    taken.listen = home.address.clone();
    let text = message(second.start_with(taken).await);
    assert!(text.contains(&home.address), "{text}");
    // The directory is taken.
    let mut shared = second.config();
    shared.data_dir = home.dir.path().to_owned();
    let text = message(second.start_with(shared).await);
    assert!(text.contains("in use by another process"), "{text}");
    // Clear text off loopback.
    let mut exposed = second.config();
    exposed.listen = "0.0.0.0:7000".to_owned();
    let text = message(second.start_with(exposed).await);
    assert!(text.contains("navarch tls init"), "{text}");
    // A list without this replica.
    let mut foreign = second.config();
    foreign.initial_replicas =
        vec![InitialReplica { name: "c".to_owned(), address: "127.0.0.1:1".to_owned() }];
    let text = message(second.start_with(foreign).await);
    assert!(text.contains("do not name this one"), "{text}");
    // The directory of another replica.
    running.kill();
    let mut moved = second.config();
    moved.data_dir = home.dir.path().to_owned();
    let limit = Duration::from_secs(5);
    let text = within(limit, "the directory stays taken", async || {
        let text = message(second.start_with(moved.clone()).await);
        (!text.contains("in use")).then_some(text)
    })
    .await;
    assert!(text.contains("belongs to replica \"a\""), "{text}");
}
