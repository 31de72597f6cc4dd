//! openraft's types as messages of our own, the same on disk and between replicas.
//!
//! | file | holds |
//! |---|---|
//! | `log_id` | log ids, votes |
//! | `entry` | entries and groups of them |
//! | `membership` | replicas, memberships, snapshot metadata |
//!
//! Encoding cannot fail; decoding refuses what is missing or unknown instead of guessing.

mod entry;
mod log_id;
mod membership;

#[cfg(test)]
mod codec_test;

pub(crate) use entry::{decode_entry, encode_entry};
pub(crate) use log_id::{decode_log_id, decode_vote, encode_log_id, encode_vote};
pub(crate) use membership::{
    decode_membership, decode_snapshot_meta, encode_membership, encode_snapshot_meta,
};

/// Bytes that are no message of ours, or one that lacks what it must have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    /// Not protobuf.
    #[error("malformed protobuf: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// A field that every writer sets is absent.
    #[error("{message} lacks {field}")]
    Missing {
        /// The message's name.
        message: &'static str,
        /// The field's name.
        field: &'static str,
    },
    /// The payload is absent or of a kind that this version does not know.
    #[error(
        "entry {index} carries a payload of an unknown kind: a newer version wrote it; start that version"
    )]
    UnknownPayload {
        /// The entry's log index.
        index: u64,
    },
    /// A membership that names a voter without saying who it is, or an empty set of voters.
    #[error("invalid membership: {0}")]
    InvalidMembership(String),
}
