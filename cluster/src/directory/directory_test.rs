use std::fs;

use navarch_proto::peer;
use prost::Message as _;

use super::{identity::FORMAT_VERSION, *};
use crate::error::StoreError;

/// Without it a wiped or swapped directory would pass for the one that voted.
#[test]
fn the_store_id_is_minted_once_and_outlives_a_reopen() {
    let directory = tempfile::tempdir().unwrap();
    let first = IdentityFile::open(directory.path(), &Expected::default()).unwrap();
    let minted = first.get();
    assert_eq!(minted.cluster_id, None);
    first.claim("cluster-a", 2).unwrap();
    first.claim("cluster-a", 2).unwrap();
    let again = IdentityFile::open(directory.path(), &Expected::default()).unwrap().get();
    assert_eq!(again.store_id, minted.store_id);
    assert_eq!(again.cluster_id.as_deref(), Some("cluster-a"));
    assert_eq!(again.replica_id, Some(2));
}

/// Without it a replica started on another's directory would vote twice under one id, or mix two clusters.
#[test]
fn a_directory_of_another_replica_or_cluster_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let identity = IdentityFile::open(directory.path(), &Expected::default()).unwrap();
    identity.claim("cluster-a", 2).unwrap();
    let other = |cluster: &str, replica| Expected {
        cluster_id: Some(cluster.to_owned()),
        replica_id: Some(replica),
    };
    let error = IdentityFile::open(directory.path(), &other("cluster-b", 2)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cluster-a") && text.contains("cluster-b"), "{text}");
    let error = IdentityFile::open(directory.path(), &other("cluster-a", 3)).unwrap_err();
    assert!(matches!(error, StoreError::OtherReplica { found: 2, expected: 3, .. }));
    assert!(identity.claim("cluster-a", 3).is_err());
    assert!(identity.claim("cluster-b", 2).is_err());
    IdentityFile::open(directory.path(), &other("cluster-a", 2)).unwrap();
}

/// Without it a flipped bit in the identity could turn one replica into another.
#[test]
fn a_damaged_or_missing_identity_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    IdentityFile::open(directory.path(), &Expected::default()).unwrap();
    let path = directory.path().join("identity");
    let whole = fs::read(&path).unwrap();
    for position in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[position] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        let error = IdentityFile::open(directory.path(), &Expected::default()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{position}: {error}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(directory.path().join("log")).unwrap();
    let error = IdentityFile::open(directory.path(), &Expected::default()).unwrap_err();
    assert!(error.to_string().contains("joins as a new replica"));
}

/// The identity of replica 2 as a program writes it whose format is `format_version`.
fn identity_file(format_version: u32) -> Vec<u8> {
    let message = peer::StoreIdentity {
        format_version,
        store_id: "store".to_owned(),
        replica_id: 2,
        ..Default::default()
    };
    let mut bytes = b"NAVSTORE".to_vec();
    bytes.extend(message.encode_to_vec());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// Without it an older program would misread a newer one's files.
#[test]
fn a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("identity"), identity_file(FORMAT_VERSION + 1)).unwrap();
    let error = IdentityFile::open(directory.path(), &Expected::default()).unwrap_err();
    let (found, supported) = match error {
        StoreError::NewerFormat { found, supported, .. } => (found, supported),
        other => panic!("{other}"),
    };
    assert_eq!((found, supported), (FORMAT_VERSION + 1, FORMAT_VERSION));
}

/// Without it an older program, started again, would take for damage what this one has written since.
#[test]
fn the_directory_of_an_older_program_is_marked_and_keeps_its_identity() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("identity");
    let older = identity_file(FORMAT_VERSION - 1);
    fs::write(&path, &older).unwrap();
    let other = Expected { replica_id: Some(3), ..Expected::default() };
    IdentityFile::open(directory.path(), &other).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), older, "whoever is refused changes nothing");
    let found = IdentityFile::open(directory.path(), &Expected::default()).unwrap().get();
    assert_eq!((found.store_id.as_str(), found.replica_id), ("store", Some(2)));
    assert_eq!(fs::read(&path).unwrap(), identity_file(FORMAT_VERSION));
    assert_eq!(IdentityFile::open(directory.path(), &Expected::default()).unwrap().get(), found);
}

/// Without it two processes would write one log.
#[test]
fn a_directory_opens_once() {
    let directory = tempfile::tempdir().unwrap();
    let lock = DirectoryLock::acquire(directory.path()).unwrap();
    let error = DirectoryLock::acquire(directory.path()).unwrap_err();
    assert!(error.to_string().contains("in use by another process"));
    drop(lock);
    DirectoryLock::acquire(directory.path()).unwrap();
}
