use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use navarch_host::SystemSpawner;
use openraft::vote::RaftLeaderId as _;
use tokio_stream::StreamExt as _;

use super::{header::Header, *};
use crate::{
    directory::{Expected, IdentityFile},
    error::StoreError,
    state_machine::test_machine::{TestImage, read_image},
    types::{LeaderId, LogId, Membership, ReplicaInfo, SnapshotMeta, StoredMembership},
};

fn meta(index: u64) -> SnapshotMeta {
    let id = |index| LogId::new(LeaderId::new(2, 1), index);
    let nodes = BTreeMap::from([(1, ReplicaInfo::default())]);
    let membership = Membership::new(vec![BTreeSet::from([1])], nodes).unwrap();
    SnapshotMeta {
        last_log_id: Some(id(index)),
        last_membership: StoredMembership::new(Some(id(0)), membership),
    }
}

fn image() -> TestImage {
    let payload = |index: u64| index.to_le_bytes().repeat(500);
    TestImage((0..400).map(|index| (index, payload(index))).collect())
}

fn open(directory: &Path) -> Result<SnapshotStore, StoreError> {
    let identity = IdentityFile::open(directory, &Expected::default())?;
    identity.claim("cluster-a", 1)?;
    SnapshotStore::open(directory, Arc::new(identity))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("snapshots")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Without it a restart would lose the state that the purged log no longer holds.
#[test]
fn a_built_snapshot_is_found_and_read_after_a_reopen() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    assert!(store.newest().is_none());
    store.build(meta(12), &image()).unwrap();
    for store in [store, open(directory.path()).unwrap()] {
        let newest = store.newest().unwrap();
        assert_eq!(*newest.meta(), meta(12));
        assert_eq!(newest.cluster_id(), "cluster-a");
        let mut reader = newest.read_image().unwrap();
        assert_eq!(read_image(&mut reader).unwrap(), image().0);
        let raw: usize = image().0.iter().map(|(_, payload)| payload.len()).sum();
        assert!(newest.bytes() < raw as u64 / 10, "{}", newest.bytes());
    }
}

/// Without it snapshots would fill the disk; or the one that is being sent would vanish under its reader.
#[test]
fn the_newest_two_are_kept_and_an_open_one_stays_readable() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let first = store.build(meta(1), &image()).unwrap();
    for index in [20, 3, 100] {
        store.build(meta(index), &image()).unwrap();
    }
    assert_eq!(*store.newest().unwrap().meta(), meta(100));
    assert_eq!(files(directory.path()).len(), 2);
    let mut reader = first.read_image().unwrap();
    assert_eq!(read_image(&mut reader).unwrap(), image().0);
}

/// Without it a flipped bit in a snapshot would become a flipped bit in the fleet's state.
#[test]
fn every_damage_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    store.build(meta(12), &image()).unwrap();
    drop(store);
    let path = files(directory.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let refused = |contents: &[u8]| {
        fs::write(&path, contents).unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("joins as a new replica"));
    };
    let positions = (0..whole.len()).filter(|&position| position < 300 || position % 97 == 0);
    for position in positions {
        let mut flipped = whole.clone();
        flipped[position] ^= 1 << (position % 8);
        refused(&flipped);
    }
    for length in [0, 10, 60, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..length]);
    }
    refused(&[whole.as_slice(), &[0]].concat());
    fs::write(&path, &whole).unwrap();
    open(directory.path()).unwrap();
}

/// Without it a crash while a snapshot is written would leave a file that passes for one, or fills the disk.
#[test]
fn leftovers_of_a_crash_are_cleared() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    fs::write(directory.path().join("snapshots/7.tmp"), b"half").unwrap();
    let store = open(directory.path()).unwrap();
    assert!(store.newest().is_none());
    assert!(files(directory.path()).is_empty());
}

/// Without it an older program would read a newer one's snapshot wrongly.
#[test]
fn a_snapshot_for_newer_readers_is_refused() {
    use navarch_proto::peer;
    use prost::Message as _;
    let header =
        peer::SnapshotHeader { format_version: 2, minimum_reader_version: 2, ..Default::default() }
            .encode_to_vec();
    let mut bytes = b"NAVSNAP\n".to_vec();
    bytes.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(blake3::hash(&header).as_bytes());
    bytes.extend(header);
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let name = "snapshots/snapshot-00000000000000000005-1-1";
    fs::write(directory.path().join(name), bytes).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(error.to_string().contains("format version 2"), "{error}");
    assert!(matches!(error, StoreError::NewerSnapshot { .. }));
    assert_eq!(Header::supported_version(), 1);
}

async fn sent(from: &SnapshotStore) -> Vec<Bytes> {
    let spawner = SystemSpawner::current();
    let chunks = from.newest().unwrap().chunks(spawner.as_ref()).unwrap();
    chunks.map(Result::unwrap).collect().await
}

async fn deliver(chunks: &[Bytes], to: &SnapshotStore) -> Result<SnapshotFile, StoreError> {
    let mut receiver = to.receive(SystemSpawner::current().as_ref())?;
    for chunk in chunks {
        receiver.write(chunk.clone()).await?;
    }
    receiver.finish().await
}

/// Without it a replica could not catch up once the leader has purged its log.
#[tokio::test]
async fn a_snapshot_travels_whole_and_becomes_the_receivers_own() {
    let (leader, follower) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = open(leader.path()).unwrap();
    from.build(meta(12), &image()).unwrap();
    let to = open(follower.path()).unwrap();
    let received = deliver(&sent(&from).await, &to).await.unwrap();
    assert!(to.newest().is_none());
    to.adopt(&received).unwrap();
    drop(received);
    let newest = open(follower.path()).unwrap().newest().unwrap();
    assert_eq!(*newest.meta(), meta(12));
    let mut reader = newest.read_image().unwrap();
    assert_eq!(read_image(&mut reader).unwrap(), image().0);
}

/// Without it a torn, altered or endless transfer could be installed, or stay behind on the disk.
#[tokio::test]
async fn a_bad_transfer_is_refused_and_leaves_nothing() {
    let (leader, follower) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = open(leader.path()).unwrap();
    from.build(meta(12), &image()).unwrap();
    let whole = sent(&from).await.concat();
    let to = open(follower.path()).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let longer = [whole.as_slice(), &[0; 9]].concat();
    for bad in [&whole[..whole.len() - 1], &whole[..20], b"", &flipped, &longer] {
        let chunks: Vec<Bytes> = bad.chunks(1_000).map(Bytes::copy_from_slice).collect();
        let error = deliver(&chunks, &to).await.unwrap_err();
        assert!(matches!(error, StoreError::SnapshotRefused { .. }), "{error}");
        assert!(files(follower.path()).is_empty());
    }
    // Complete, but never installed.
    let received = deliver(&[Bytes::from(whole)], &to).await.unwrap();
    assert_eq!(files(follower.path()).len(), 1);
    drop(received);
    assert!(files(follower.path()).is_empty());
}

/// Without it a replica could be given the state of another cluster.
#[tokio::test]
async fn a_snapshot_of_another_cluster_is_refused() {
    let (leader, follower) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = open(leader.path()).unwrap();
    from.build(meta(12), &image()).unwrap();
    let identity = IdentityFile::open(follower.path(), &Expected::default()).unwrap();
    identity.claim("cluster-b", 2).unwrap();
    let to = SnapshotStore::open(follower.path(), Arc::new(identity)).unwrap();
    let error = deliver(&sent(&from).await, &to).await.unwrap_err().to_string();
    assert!(error.contains("cluster-a") && error.contains("cluster-b"), "{error}");
}
