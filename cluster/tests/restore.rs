//! Snapshots for people: from a running group to a file, and from the file to a group that the old one never hears.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{fs, path::Path, time::Duration};

use common::{Home, Journal, homes, leader, start_all, wipe, within};
use futures::StreamExt as _;
use navarch_cluster::{
    ExportError, RestoreError, SavedSnapshot, SavedSnapshotError, StateMachine as _, restore,
    who_answers,
};
use navarch_host::Clock;

async fn export(live: &common::Live, path: &Path) {
    let chunks = live.replica.export_snapshot(live.soon()).await.unwrap();
    let mut chunks = std::pin::pin!(chunks);
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() <= 1 << 20);
        bytes.extend(chunk);
    }
    fs::write(path, bytes).unwrap();
}

fn restore_to(home: &Home, saved: &SavedSnapshot) -> Result<String, RestoreError> {
    let mut machine = Journal::default();
    let last_index = saved.info().last_index;
    machine.install(last_index, &mut saved.image().unwrap()).unwrap();
    restore(&home.config(), last_index, machine.image().as_ref())
}

/// Without it a group that lost its majority would be lost for good, or its old replicas would vote in the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_one_goes_on_from_a_saved_snapshot() {
    let homes = homes(&["a", "b", "c"]);
    let mut replicas = start_all(&homes).await;
    let first = leader(&replicas).await;
    replicas[first].write("one").await;
    replicas[first].write("two").await;
    let follower = (first + 1) % 3;
    replicas[follower].read().await;
    let kept = tempfile::tempdir().unwrap();
    let path = kept.path().join("saved");
    export(&replicas[follower], &path).await;
    let old_group = replicas[first].replica.status().cluster_id.unwrap();
    let left_over = fs::read_dir(homes[follower].dir.path().join("snapshots")).unwrap().count();
    assert_eq!(left_over, 0, "the replica keeps nothing of it");

    let saved = SavedSnapshot::open(&path).unwrap();
    let info = saved.info();
    assert_eq!(info.group_id, old_group);
    let names: Vec<_> = info.replicas.iter().map(|one| (&*one.name, one.voter)).collect();
    assert_eq!(names, [("a", true), ("b", true), ("c", true)]);
    assert!(info.last_index >= 3 && info.last_term > 0, "{info:?}");

    // One of the old group stays and has to be told apart.
    replicas.remove(0).kill();
    let refused = restore_to(&homes[0], &saved).unwrap_err();
    assert!(matches!(refused, RestoreError::NotEmpty { .. }), "{refused}");
    wipe(homes[0].dir.path());
    let new_group = restore_to(&homes[0], &saved).unwrap();
    let restored = homes[0].start().await;
    assert_eq!(restored.read().await, ["one", "two"]);
    let index = restored.write("three").await;
    assert!(index > info.last_index, "{index}");
    let status = restored.replica.status();
    assert_eq!(status.cluster_id.as_deref(), Some(&*new_group));
    assert_ne!(new_group, old_group);
    assert_eq!(status.replicas.len(), 1);
    let second = leader(&replicas).await;
    replicas[second].write("elsewhere").await;
    assert_eq!(restored.read().await, ["one", "two", "three"]);

    // The others come as new replicas, and the restored one comes back from its own log.
    let joins = Home::new("d");
    let joined = joins.start().await;
    let id = restored.replica.add_learner("d", &joins.address, restored.soon()).await.unwrap();
    restored.replica.promote(id, restored.soon()).await.unwrap();
    assert_eq!(joined.read().await, ["one", "two", "three"]);
    restored.kill();
    let restored = homes[0].start().await;
    within(Duration::from_secs(10), "no leader", async || {
        restored.replica.leadership().borrow().leader
    })
    .await;
    assert_eq!(restored.read().await, ["one", "two", "three"]);
}

/// Without it a person would not be told that the old group is still there, or would restore over half a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_answers_is_named_and_bad_files_are_refused() {
    let homes = homes(&["a"]);
    let replicas = start_all(&homes).await;
    leader(&replicas).await;
    replicas[0].write("one").await;
    let waiting = Home::new("b");
    let waits = waiting.start().await;
    let unformed = waits.replica.export_snapshot(waits.soon()).await.err().unwrap();
    assert!(matches!(unformed, ExportError::NotFormed), "{unformed}");
    let silent = Home::new("c");
    let addresses = [&homes[0], &waiting, &silent].map(|home| home.address.clone());
    let limit = Duration::from_secs(5);
    let heard = who_answers(&addresses, None, &Clock::system(), limit).await.unwrap();
    let group = replicas[0].replica.status().cluster_id;
    let answers: Vec<_> = heard.into_iter().map(|one| one.answer.ok()).collect();
    let known = |at: usize| answers[at].clone().map(|one| (one.name, one.group_id));
    assert_eq!(known(0), Some(("a".to_owned(), group)));
    assert_eq!(known(1), Some(("b".to_owned(), None)));
    assert_eq!(known(2), None);

    let kept = tempfile::tempdir().unwrap();
    let path = kept.path().join("saved");
    export(&replicas[0], &path).await;
    let whole = fs::read(&path).unwrap();
    for place in (0..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        let error = SavedSnapshot::open(&path).unwrap_err();
        let foreign = matches!(error, SavedSnapshotError::Foreign { .. });
        let damaged = matches!(error, SavedSnapshotError::Damaged { .. });
        assert!(if place < 8 { foreign } else { damaged }, "{place}: {error}");
    }
    for length in [3, 20, 60, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = SavedSnapshot::open(&path).unwrap_err();
        assert!(matches!(error, SavedSnapshotError::Damaged { .. }), "{length}: {error}");
    }
    fs::write(&path, b"").unwrap();
    assert!(matches!(SavedSnapshot::open(&path), Err(SavedSnapshotError::Foreign { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(SavedSnapshot::open(&path), Err(SavedSnapshotError::Read { .. })));
}
