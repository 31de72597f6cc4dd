use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use navarch_proto::peer;
use openraft::vote::RaftLeaderId as _;
use prost::Message as _;

use super::*;
use crate::types::{
    Carried, Entry, LeaderId, LogId, Membership, Payload, ReplicaInfo, SnapshotMeta,
    StoredMembership, Vote,
};

fn log_id(index: u64) -> LogId {
    LogId::new(LeaderId::new(3, 7), index)
}

fn membership() -> Membership {
    let info = |id: u64| ReplicaInfo {
        name: format!("replica-{id}"),
        address: format!("host-{id}:7000"),
        public_address: format!("host-{id}:50051"),
        store_id: format!("store-{id}"),
    };
    let nodes: BTreeMap<u64, ReplicaInfo> = (1..=4).map(|id| (id, info(id))).collect();
    let configs = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4])];
    Membership::new(configs, nodes).unwrap()
}

/// Without it an entry could come back from disk or from the wire as another one.
#[test]
fn every_kind_of_entry_survives_the_round_trip() {
    let kinds = [
        Carried::Blank,
        Carried::Normal(Payload(Bytes::new())),
        Carried::Normal(Payload(Bytes::from_static(b"proposal"))),
        Carried::Membership(membership()),
    ];
    for (index, payload) in (0u64..).zip(kinds) {
        let entry = Entry { log_id: log_id(index), payload };
        let bytes = encode_entry(&entry).encode_to_vec();
        let message = peer::Entry::decode(Bytes::from(bytes)).unwrap();
        assert_eq!(decode_entry(message).unwrap(), entry);
    }
}

/// Without it a replica would skip an entry that a newer version wrote, and differ from the others for ever.
#[test]
fn an_entry_of_unknown_kind_is_refused() {
    let mut bytes = peer::Entry { index: 9, ..Default::default() }.encode_to_vec();
    // Field 15, length-delimited, empty: a kind that this version does not know.
    bytes.extend([0x7a, 0x00]);
    let message = peer::Entry::decode(Bytes::from(bytes)).unwrap();
    let error = decode_entry(message).unwrap_err();
    assert!(matches!(error, CodecError::UnknownPayload { index: 9 }));
}

/// Without it a vote or a snapshot could change its meaning over a restart.
#[test]
fn votes_and_snapshot_metadata_survive_the_round_trip() {
    for committed in [false, true] {
        let vote = Vote { leader_id: LeaderId::new(5, 2), committed };
        assert_eq!(decode_vote(&encode_vote(&vote)), vote);
    }
    let metas = [
        SnapshotMeta::default(),
        SnapshotMeta {
            last_log_id: Some(log_id(12)),
            last_membership: StoredMembership::new(Some(log_id(4)), membership()),
        },
    ];
    for meta in metas {
        assert_eq!(decode_snapshot_meta(encode_snapshot_meta(&meta)).unwrap(), meta);
    }
}

/// Without it a damaged membership could name voters that nobody can reach.
#[test]
fn a_membership_with_unknown_or_no_voters_is_refused() {
    let mut message = encode_membership(&membership());
    message.members.pop();
    assert!(matches!(decode_membership(message).unwrap_err(), CodecError::InvalidMembership(_)));
    let mut message = encode_membership(&membership());
    message.voter_sets[0].replica_ids.clear();
    assert!(matches!(decode_membership(message).unwrap_err(), CodecError::InvalidMembership(_)));
}
