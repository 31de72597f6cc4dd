use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::stream;
use navarch_host::SystemSpawner;
use openraft::{
    RaftSnapshotBuilder as _,
    storage::{EntryResponder, RaftStateMachine as _},
    vote::RaftLeaderId as _,
};

use super::{
    Applier,
    test_machine::{Published, TestMachine},
};
use crate::{
    directory::{Expected, IdentityFile},
    fatal::FatalHook,
    snapshot_store::SnapshotStore,
    types::{Carried, Entry, LeaderId, LogId, Payload, TypeConfig},
};

struct Subject {
    applier: Applier,
    published: Published,
    faults: Arc<Mutex<Vec<String>>>,
}

fn subject(directory: &Path) -> Subject {
    let identity = IdentityFile::open(directory, &Expected::default()).unwrap();
    let snapshots = Arc::new(SnapshotStore::open(directory, Arc::new(identity)).unwrap());
    let faults = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&faults);
    let fatal = FatalHook::new(move |fault| seen.lock().unwrap().push(fault.to_string()));
    let (machine, published) = TestMachine::new();
    let applier = Applier::new(Box::new(machine), snapshots, SystemSpawner::current(), fatal);
    Subject { applier, published, faults }
}

fn log_id(index: u64) -> LogId {
    LogId::new(LeaderId::new(1, 1), index)
}

fn normal(index: u64, payload: &'static [u8]) -> Entry {
    Entry { log_id: log_id(index), payload: Carried::Normal(Payload(Bytes::from_static(payload))) }
}

fn blank(index: u64) -> Entry {
    Entry { log_id: log_id(index), payload: Carried::Blank }
}

async fn apply(applier: &mut Applier, entries: Vec<Entry>) -> Result<(), std::io::Error> {
    let items = entries.into_iter().map(|entry| Ok((entry, None)));
    let items: Vec<Result<EntryResponder<TypeConfig>, _>> = items.collect();
    applier.apply(stream::iter(items)).await
}

/// Without it readers would see a state that lags behind what was answered, or Raft's own entries would reach
/// the fleet.
#[tokio::test]
async fn each_batch_is_published_with_its_last_index() {
    let directory = tempfile::tempdir().unwrap();
    let mut subject = subject(directory.path());
    let batch = vec![blank(0), normal(1, b"a"), normal(2, b"b"), blank(3)];
    apply(&mut subject.applier, batch).await.unwrap();
    let shown = vec![(1, b"a".to_vec()), (2, b"b".to_vec())];
    assert_eq!(subject.published.get(), (3, shown));
    let (applied, _) = subject.applier.applied_state().await.unwrap();
    assert_eq!(applied, Some(log_id(3)));
}

/// Without it a replica would go on without an entry that the others have, and differ from them for ever.
#[tokio::test]
async fn an_entry_that_cannot_be_applied_is_fatal() {
    for bad in [b"fault".as_slice(), b"panic"] {
        let directory = tempfile::tempdir().unwrap();
        let mut subject = subject(directory.path());
        let batch = vec![normal(1, b"a"), normal(2, bad), normal(3, b"c")];
        apply(&mut subject.applier, batch).await.unwrap_err();
        let (applied, _) = subject.applier.applied_state().await.unwrap();
        assert_eq!(applied, Some(log_id(1)));
        let faults = subject.faults.lock().unwrap();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("entry 2"), "{}", faults[0]);
    }
}

/// Without it a snapshot could claim entries that it lacks, or contain later ones; and what was there before an
/// install could survive it.
#[tokio::test]
async fn a_snapshot_is_the_state_when_it_was_begun_and_replaces_everything() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut source = subject(one.path());
    apply(&mut source.applier, vec![normal(0, b"a"), normal(1, b"b")]).await.unwrap();
    let mut job = source.applier.get_snapshot_builder().await;
    apply(&mut source.applier, vec![normal(2, b"late")]).await.unwrap();
    let snapshot = job.build_snapshot().await.unwrap();
    assert_eq!(snapshot.meta.last_log_id, Some(log_id(1)));

    let mut target = subject(two.path());
    apply(&mut target.applier, vec![normal(0, b"old")]).await.unwrap();
    let installed = target.applier.install_snapshot(&snapshot.meta, snapshot.snapshot.clone());
    installed.await.unwrap();
    let shown = vec![(0, b"a".to_vec()), (1, b"b".to_vec())];
    assert_eq!(target.published.get(), (1, shown.clone()));
    let (applied, _) = target.applier.applied_state().await.unwrap();
    assert_eq!(applied, Some(log_id(1)));

    let mut wrong = snapshot.meta.clone();
    wrong.last_log_id = Some(log_id(2));
    let refused = target.applier.install_snapshot(&wrong, snapshot.snapshot);
    assert!(refused.await.unwrap_err().to_string().contains("it covers"));
    assert_eq!(target.published.get(), (1, shown));
}
