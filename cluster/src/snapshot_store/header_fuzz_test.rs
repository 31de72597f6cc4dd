use std::fs;

use navarch_fuzz::Target;
use prost::Message as _;

use super::header::{Header, MAGIC, PREFIX_BYTES};
use crate::saved_snapshot::SavedSnapshot;

/// Magic, length and hash before a header, all of them right.
fn prefix(header: &[u8]) -> Vec<u8> {
    let length = u32::try_from(header.len()).unwrap().to_le_bytes();
    [&MAGIC[..], &length, blake3::hash(header).as_bytes()].concat()
}

fn meta() -> navarch_proto::peer::SnapshotHeader {
    use navarch_proto::peer;
    let log_id = Some(peer::LogId { term: 2, leader_id: 1, index: 12 });
    let info = peer::ReplicaInfo { name: "r1".to_owned(), ..Default::default() };
    let membership = peer::Membership {
        voter_sets: vec![peer::VoterSet { replica_ids: vec![1] }],
        members: vec![peer::Member { replica_id: 1, info: Some(info) }],
    };
    let stored = peer::StoredMembership { log_id, membership: Some(membership) };
    peer::SnapshotHeader {
        format_version: 1,
        minimum_reader_version: 1,
        feature_level: 1,
        cluster_id: "cluster".to_owned(),
        meta: Some(peer::SnapshotMeta { last_log_id: log_id, last_membership: Some(stored) }),
        body_bytes: 4,
        body_blake3: blake3::hash(b"body").as_bytes().to_vec().into(),
    }
}

/// Without it a leader's snapshot, or a file that a person restores from, could end the replica that reads it.
#[test]
fn fuzz_headers_are_read_or_refused() {
    Target::message("snapshot-header").seed(meta().encode_to_vec()).check(|encoded| {
        let prefix: [u8; PREFIX_BYTES] = prefix(encoded).try_into().unwrap();
        let _ = Header::length(&prefix);
        if let Ok(header) = Header::decode(&prefix, encoded) {
            let again = header.encode();
            let (prefix, encoded) = again.split_first_chunk().unwrap();
            assert_eq!(Header::decode(prefix, encoded).unwrap(), header);
        }
    });
}

/// Without it a wrong size in the head of a file could be believed.
#[test]
fn fuzz_saved_snapshots_are_opened_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saved");
    Target::message("saved-snapshot").cases(400).seed(meta().encode_to_vec()).check(|encoded| {
        let file = [prefix(encoded).as_slice(), encoded, b"body"].concat();
        fs::write(&path, file).unwrap();
        if let Ok(saved) = SavedSnapshot::open(&path) {
            assert_eq!(saved.info().bytes, fs::metadata(&path).unwrap().len());
            // The body is no zstd: it says so when it is read.
            let read =
                saved.image().and_then(|mut image| std::io::copy(&mut image, &mut std::io::sink()));
            assert!(read.is_err());
        }
    });
}
