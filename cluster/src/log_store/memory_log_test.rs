use super::{memory_log::MemoryLog, storage::LogStorage as _, test_support::*, *};

/// Without it a simulated crash would lose nothing, and no simulation would ever find a missing sync.
#[test]
fn a_crash_loses_what_was_not_synced_and_nothing_else() {
    let disk = MemoryDisk::default();
    let (mut log, _) = MemoryLog::open(disk.clone());
    log.save_vote(vote(2)).unwrap();
    log.append(&entries(2, 0..10, 5)).unwrap();
    log.purge(log_id(2, 2)).unwrap();
    log.sync().unwrap();
    let synced = log.state();
    log.truncate_after(Some(log_id(2, 5))).unwrap();
    log.append(&entries(3, 6..7, 5)).unwrap();
    log.save_vote(vote(3)).unwrap();
    drop(log);
    let (mut log, cache) = MemoryLog::open(disk.clone());
    assert_eq!(log.state(), synced);
    assert_eq!((cache.first(), cache.end()), (3, 10));
    log.truncate_after(Some(log_id(2, 5))).unwrap();
    log.append(&entries(3, 6..7, 5)).unwrap();
    log.close().unwrap();
    let (log, _) = MemoryLog::open(disk);
    assert_eq!(log.state().last, Some(log_id(3, 6)));
    let read = log.reader().read(5, 9, usize::MAX).unwrap();
    assert_eq!(read, [entry(2, 5, 5), entry(3, 6, 5)]);
}
