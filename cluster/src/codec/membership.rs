use std::collections::{BTreeMap, BTreeSet};

use navarch_proto::peer;

use super::{CodecError, decode_log_id, encode_log_id};
use crate::types::{Membership, ReplicaInfo, SnapshotMeta, StoredMembership};

pub(crate) fn encode_membership(membership: &Membership) -> peer::Membership {
    let voter_sets = membership.get_joint_config().iter();
    peer::Membership {
        voter_sets: voter_sets
            .map(|set| peer::VoterSet { replica_ids: set.iter().copied().collect() })
            .collect(),
        members: membership
            .nodes()
            .map(|(&replica_id, info)| peer::Member {
                replica_id,
                info: Some(peer::ReplicaInfo {
                    name: info.name.clone(),
                    address: info.address.clone(),
                    public_address: info.public_address.clone(),
                    store_id: info.store_id.clone(),
                }),
            })
            .collect(),
    }
}

pub(crate) fn decode_membership(message: peer::Membership) -> Result<Membership, CodecError> {
    // What a replica holds before it hears of any group.
    if message.voter_sets.is_empty() && message.members.is_empty() {
        return Ok(Membership::default());
    }
    let voter_sets = message.voter_sets.into_iter();
    let configs: Vec<BTreeSet<u64>> =
        voter_sets.map(|set| set.replica_ids.into_iter().collect()).collect();
    let mut nodes = BTreeMap::new();
    for member in message.members {
        let info = member.info.ok_or(CodecError::Missing { message: "member", field: "info" })?;
        nodes.insert(
            member.replica_id,
            ReplicaInfo {
                name: info.name,
                address: info.address,
                public_address: info.public_address,
                store_id: info.store_id,
            },
        );
    }
    Membership::new(configs, nodes)
        .map_err(|error| CodecError::InvalidMembership(error.to_string()))
}

fn encode_stored_membership(stored: &StoredMembership) -> peer::StoredMembership {
    peer::StoredMembership {
        log_id: stored.log_id().as_ref().map(encode_log_id),
        membership: Some(encode_membership(stored.membership())),
    }
}

fn decode_stored_membership(
    message: peer::StoredMembership,
) -> Result<StoredMembership, CodecError> {
    let membership = message
        .membership
        .ok_or(CodecError::Missing { message: "stored membership", field: "membership" })?;
    Ok(StoredMembership::new(
        message.log_id.as_ref().map(decode_log_id),
        decode_membership(membership)?,
    ))
}

pub(crate) fn encode_snapshot_meta(meta: &SnapshotMeta) -> peer::SnapshotMeta {
    peer::SnapshotMeta {
        last_log_id: meta.last_log_id.as_ref().map(encode_log_id),
        last_membership: Some(encode_stored_membership(&meta.last_membership)),
    }
}

pub(crate) fn decode_snapshot_meta(
    message: peer::SnapshotMeta,
) -> Result<SnapshotMeta, CodecError> {
    let last_membership = message
        .last_membership
        .ok_or(CodecError::Missing { message: "snapshot metadata", field: "last_membership" })?;
    Ok(SnapshotMeta {
        last_log_id: message.last_log_id.as_ref().map(decode_log_id),
        last_membership: decode_stored_membership(last_membership)?,
    })
}
