use std::{fs, path::Path, sync::Arc};

use navarch_host::SystemSpawner;
use openraft::{
    RaftSnapshotBuilder as _,
    storage::{RaftLogStorageExt as _, RaftStateMachine as _, StorageHelper},
};

use super::*;
use crate::{
    fatal::FatalHook,
    state_machine::{
        Applier,
        test_machine::{Published, TestMachine},
    },
    types::{Carried, Entry, LeaderId, LogId, Payload, TypeConfig},
};

async fn open(directory: &Path) -> Result<Storage, StoreError> {
    Storage::open(
        directory.to_owned(),
        LogEngine::Sled(SledOptions::default()),
        Expected::default(),
        StoreHost::system(FatalHook::new(|fault| panic!("{fault}"))),
    )
    .await
}

fn applier(storage: &Storage) -> (Applier, Published) {
    let (machine, published) = TestMachine::new();
    let fatal = FatalHook::new(|fault| panic!("{fault}"));
    let snapshots = Arc::clone(&storage.snapshots);
    let applier = Applier::new(Box::new(machine), snapshots, SystemSpawner::current(), fatal);
    (applier, published)
}

fn log_id(index: u64) -> LogId {
    use openraft::vote::RaftLeaderId as _;
    LogId::new(LeaderId::new(1, 1), index)
}

fn entries(range: std::ops::Range<u64>) -> Vec<Entry> {
    let entry = |index: u64| Entry {
        log_id: log_id(index),
        payload: Carried::Normal(Payload(index.to_le_bytes().to_vec().into())),
    };
    range.map(entry).collect()
}

/// Applies 0..20, takes a snapshot, purges up to 9, appends and commits up to 29.
async fn live(storage: &mut Storage) {
    let (mut applier, _) = applier(storage);
    storage.log.blocking_append(entries(0..20)).await.unwrap();
    let items = entries(0..20).into_iter().map(|entry| Ok((entry, None)));
    let items: Vec<_> = items.collect();
    applier.apply(futures::stream::iter(items)).await.unwrap();
    let mut job = applier.get_snapshot_builder().await;
    job.build_snapshot().await.unwrap();
    use openraft::storage::RaftLogStorage as _;
    storage.log.purge(log_id(9)).await.unwrap();
    storage.log.save_committed(Some(log_id(24))).await.unwrap();
    storage.log.blocking_append(entries(20..30)).await.unwrap();
}

/// Without it a restart would lose state, or show entries as applied that were never committed.
#[tokio::test]
async fn a_restart_installs_the_snapshot_and_replays_the_log_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = open(directory.path()).await.unwrap();
    live(&mut storage).await;
    storage.log.close().await.unwrap();
    drop(storage);
    let storage = open(directory.path()).await.unwrap();
    let (mut applier, published) = applier(&storage);
    let mut log = storage.log.clone();
    StorageHelper::<TypeConfig, _, _>::new(&mut log, &mut applier)
        .with_id(1)
        .get_initial_state()
        .await
        .unwrap();
    let (last, shown) = published.get();
    assert_eq!(last, 24);
    let indexes: Vec<u64> = shown.iter().map(|(index, _)| *index).collect();
    assert_eq!(indexes, (0..25).collect::<Vec<_>>());
}

/// Without it a log whose beginning is gone would be taken for all there is, and old state be lost silently.
#[tokio::test]
async fn a_purged_log_without_its_snapshot_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = open(directory.path()).await.unwrap();
    live(&mut storage).await;
    storage.log.close().await.unwrap();
    drop(storage);
    fs::remove_dir_all(directory.path().join("snapshots")).unwrap();
    let error = open(directory.path()).await.err().unwrap().to_string();
    assert!(error.contains("begins at entry 10"), "{error}");
    assert!(error.contains("joins as a new replica"), "{error}");
}

/// Without it two processes could write one log; or a closed store would keep its directory.
#[tokio::test]
async fn a_directory_is_in_use_until_its_store_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let storage = open(directory.path()).await.unwrap();
    let error = open(directory.path()).await.err().unwrap();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    storage.log.close().await.unwrap();
    drop(storage);
    open(directory.path()).await.unwrap();
}

/// Without it a log could be moved under the identity of another store, votes and all.
#[tokio::test]
async fn the_log_of_another_store_is_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for directory in [&one, &two] {
        let storage = open(directory.path()).await.unwrap();
        storage.log.close().await.unwrap();
    }
    for part in ["log/db", "log/conf", "mark"] {
        fs::copy(one.path().join(part), two.path().join(part)).unwrap();
    }
    let error = open(two.path()).await.err().unwrap();
    assert!(error.to_string().contains("another store"), "{error}");
}
