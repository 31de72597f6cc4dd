use std::{
    io,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use openraft::{
    RaftLogReader as _,
    storage::{IOFlushed, RaftLogStorage as _},
    type_config::TypeConfigExt as _,
};

use super::{
    shared::Shared,
    storage::{LogRead, SyncCall},
    test_support::*,
    *,
};
use crate::{
    error::StoreError,
    fatal::FatalHook,
    types::{Entry, TypeConfig},
};

async fn open(directory: &Path, fatal: FatalHook, sync: Option<SyncCall>) -> LogStore {
    let directory = directory.to_owned();
    let open = move || {
        let (log, cache) = SledLog::open(&directory, "store", SledOptions::default(), sync)?;
        Ok((Box::new(log) as Box<_>, cache))
    };
    start_writer(StoreHost::system(fatal), (), open).await.unwrap()
}

fn panicking() -> FatalHook {
    FatalHook::new(|fault| panic!("{fault}"))
}

type Answer = BoxFuture<'static, Result<(), io::Error>>;

async fn append(store: &mut LogStore, term: u64, range: std::ops::Range<u64>) -> Answer {
    append_all(store, entries(term, range, 100)).await
}

async fn append_all(store: &mut LogStore, entries: Vec<Entry>) -> Answer {
    let (sender, receiver) = TypeConfig::oneshot();
    store.append(entries, IOFlushed::signal(sender)).await.unwrap();
    Box::pin(async move { receiver.await.unwrap() })
}

/// Without it an entry could be acknowledged that a power cut then takes away.
#[tokio::test]
async fn nothing_is_acknowledged_before_its_sync() {
    let directory = tempfile::tempdir().unwrap();
    let syncs = Arc::new(AtomicU64::new(0));
    // Lets one sync pass for each message, and all once the sender is gone.
    let (gate, passed) = mpsc::channel();
    gate.send(()).unwrap();
    let counted = Arc::clone(&syncs);
    let sync: SyncCall = Box::new(move || {
        let _ = passed.recv();
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let mut store = open(directory.path(), panicking(), Some(sync)).await;
    let before = syncs.load(Ordering::SeqCst);
    let mut answers = Vec::new();
    for index in 0..100 {
        answers.push(append(&mut store, 1, index..index + 1).await);
    }
    // Readers see them at once, as openraft demands.
    assert_eq!(store.try_get_log_entries(0..100).await.unwrap().len(), 100);
    for answer in &mut answers {
        assert!(answer.now_or_never().is_none());
    }
    drop(gate);
    for answer in answers {
        answer.await.unwrap();
    }
    let used = syncs.load(Ordering::SeqCst) - before;
    // The first batch may have taken any number of them; the rest share the next.
    assert!((1..=3).contains(&used), "{used} syncs for 100 appends");
}

/// Without it a failed sync could be tried again, and succeed over data that the page cache has dropped.
#[tokio::test]
async fn a_failed_sync_is_fatal_and_nothing_is_acknowledged_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let (breaks, calls) = (Arc::clone(&broken), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&calls);
    let sync: SyncCall = Box::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        // It fails once and would work again.
        if breaks.swap(false, Ordering::SeqCst) {
            Err(io::Error::other("the disk is gone"))
        } else {
            Ok(())
        }
    });
    let (fatal, faults) = watched_fatal();
    let mut store = open(directory.path(), fatal, Some(sync)).await;
    append(&mut store, 1, 0..1).await.await.unwrap();
    broken.store(true, Ordering::SeqCst);
    let synced = calls.load(Ordering::SeqCst);
    assert!(append(&mut store, 1, 1..2).await.await.is_err());
    assert!(append(&mut store, 1, 2..3).await.await.is_err());
    assert!(store.save_vote(&vote(4)).await.is_err());
    assert!(store.close().await.is_err());
    assert_eq!(calls.load(Ordering::SeqCst), synced + 1);
    let faults = faults.lock().unwrap();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("cannot sync") && faults[0].contains("the disk is gone"));
}

/// Without it a restarted replica could vote twice in one term, or apply less than it had shown.
#[tokio::test]
async fn vote_and_committed_outlive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path(), panicking(), None).await;
    store.save_vote(&vote(7)).await.unwrap();
    append(&mut store, 7, 0..5).await.await.unwrap();
    store.save_committed(Some(log_id(7, 3))).await.unwrap();
    append(&mut store, 7, 5..6).await.await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.close().await, Err(StoreError::Closed)));
    let mut store = open(directory.path(), panicking(), None).await;
    assert_eq!(store.read_vote().await.unwrap(), Some(vote(7)));
    assert_eq!(store.read_committed().await.unwrap(), Some(log_id(7, 3)));
    let state = store.get_log_state().await.unwrap();
    assert_eq!(state.last_log_id, Some(log_id(7, 5)));
}

/// Without it the log in memory would grow until the next purge, however far away that is.
#[tokio::test]
async fn old_entries_are_read_from_disk_once_memory_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path(), panicking(), None).await;
    store.limit_cache(2_000);
    for index in 0..60 {
        let answer = append(&mut store, 1, index..index + 1).await;
        answer.await.unwrap();
    }
    assert!(store.shared.view().cache.first() > 40);
    let read = store.try_get_log_entries(..).await.unwrap();
    assert_eq!(read, entries(1, 0..60, 100));
    let read = store.try_get_log_entries(7..=52).await.unwrap();
    assert_eq!(read, entries(1, 7..53, 100));
    store.purge(log_id(1, 20)).await.unwrap();
    let read = store.try_get_log_entries(0..30).await.unwrap();
    assert_eq!(read, entries(1, 21..30, 100));
    store.truncate_after(Some(log_id(1, 30))).await.unwrap();
    append(&mut store, 2, 31..33).await.await.unwrap();
    let read = store.try_get_log_entries(29..).await.unwrap();
    let expected = [entries(1, 29..31, 100), entries(2, 31..33, 100)].concat();
    assert_eq!(read, expected);
}

/// A disk during each of whose reads more entries leave the memory.
struct Evicting {
    disk: Arc<dyn LogRead>,
    shared: Weak<Shared>,
    limit: AtomicU64,
}

impl LogRead for Evicting {
    fn read(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, StoreError> {
        let entries = self.disk.read(from, to, bytes_max);
        let limit = self.limit.fetch_sub(300, Ordering::Relaxed);
        let shared = self.shared.upgrade().unwrap();
        let mut view = shared.view();
        view.cache.set_limit(usize::try_from(limit).unwrap());
        view.cache.evict(u64::MAX);
        entries
    }
}

/// Without it a leader that writes while a follower reads what has left its memory would end itself: the log would look as
/// if it were cut each time.
#[tokio::test]
async fn a_reader_gets_on_while_entries_leave_the_memory() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path(), panicking(), None).await;
    append(&mut store, 1, 0..60).await.await.unwrap();
    store.limit_cache(9_000);
    append(&mut store, 1, 60..61).await.await.unwrap();
    let (shared, limit) = (Arc::downgrade(&store.shared), AtomicU64::new(8_700));
    store.shared.wrap_disk(|disk| Arc::new(Evicting { disk, shared, limit }));
    let first = store.shared.view().cache.first();
    assert!((5..40).contains(&first), "{first}");
    let piece = store.limited_get_log_entries(0, 61).await.unwrap();
    assert_eq!(piece, entries(1, 0..first, 100), "what there is, and the rest with the next call");
    assert_eq!(store.try_get_log_entries(..).await.unwrap(), entries(1, 0..61, 100));
}

/// Without it one lagging follower would be sent the whole log in one message.
#[tokio::test]
async fn replication_reads_a_bounded_piece_and_never_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path(), panicking(), None).await;
    let large = entries(1, 0..3, 900_000);
    append_all(&mut store, large).await.await.unwrap();
    for (from, count) in [(0, 1), (1, 1), (2, 1)] {
        let read = store.limited_get_log_entries(from, 3).await.unwrap();
        assert_eq!(read.len(), count);
        assert_eq!(read[0].log_id.index, from);
    }
}

/// How many durable entries a second the store takes from 64 and from 256 writers; run it by name, in release.
#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn measure_durable_appends() {
    let clock = navarch_host::Clock::system();
    for writers in [1, 64, 256u64] {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path(), panicking(), None).await;
        let (start, mut next) = (clock.now(), 0);
        while clock.now().since(start) < Duration::from_secs(5) {
            let mut answers = Vec::new();
            for _ in 0..writers {
                answers.push(append(&mut store, 1, next..next + 1).await);
                next += 1;
            }
            for answer in answers {
                answer.await.unwrap();
            }
            if next % 50_000 < writers && next > 50_000 {
                store.purge(log_id(1, next - 20_000)).await.unwrap();
            }
        }
        println!("{writers} writers: {} entries/s", next / 5);
    }
}
