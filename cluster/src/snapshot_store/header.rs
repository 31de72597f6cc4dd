use bytes::Bytes;
use navarch_proto::peer;
use prost::Message as _;

use crate::{
    codec::{decode_snapshot_meta, encode_snapshot_meta},
    types::SnapshotMeta,
};

/// The layout of a file: magic, length of the header (u32, little-endian), BLAKE3 of the header, the header
/// (`SnapshotHeader`), the body (the state machine's image, zstd).
pub(super) const MAGIC: &[u8; 8] = b"NAVSNAP\n";
const HASH_BYTES: usize = 32;
/// Bytes before the header itself.
pub(super) const PREFIX_BYTES: usize = MAGIC.len() + 4 + HASH_BYTES;
/// A header holds a membership: a few hundred bytes for each replica.
const HEADER_BYTES_MAX: usize = 1024 * 1024;

/// The format written here, and the oldest reader that understands it.
const FORMAT_VERSION: u32 = 1;
const MINIMUM_READER_VERSION: u32 = 1;

/// The head of a snapshot file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) format_version: u32,
    pub(super) meta: SnapshotMeta,
    pub(super) cluster_id: String,
    pub(super) feature_level: u32,
    pub(super) body_bytes: u64,
    pub(super) body_hash: [u8; HASH_BYTES],
}

/// Why a head is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Damaged(String),
    /// It asks for a reader of this version at least.
    Newer(u32),
}

impl Header {
    /// A header before its body is known, of exactly the size that it will have.
    pub(super) fn open(meta: SnapshotMeta, cluster_id: String, feature_level: u32) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            meta,
            cluster_id,
            feature_level,
            body_bytes: u64::MAX,
            body_hash: [0; HASH_BYTES],
        }
    }

    /// Everything before the body.
    pub(super) fn encode(&self) -> Vec<u8> {
        let header = peer::SnapshotHeader {
            format_version: self.format_version,
            minimum_reader_version: MINIMUM_READER_VERSION,
            feature_level: self.feature_level,
            cluster_id: self.cluster_id.clone(),
            meta: Some(encode_snapshot_meta(&self.meta)),
            body_bytes: self.body_bytes,
            body_blake3: Bytes::copy_from_slice(&self.body_hash),
        }
        .encode_to_vec();
        let mut head = Vec::with_capacity(PREFIX_BYTES + header.len());
        head.extend_from_slice(MAGIC);
        head.extend(u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes());
        head.extend_from_slice(blake3::hash(&header).as_bytes());
        head.extend(header);
        head
    }

    /// The length of the header that follows a prefix.
    pub(super) fn length(prefix: &[u8; PREFIX_BYTES]) -> Result<usize, HeaderFault> {
        let (magic, rest) = prefix.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(damaged("it does not begin as a snapshot does"));
        }
        let length = rest.first_chunk::<4>().copied().unwrap_or_default();
        usize::try_from(u32::from_le_bytes(length))
            .ok()
            .filter(|&length| length <= HEADER_BYTES_MAX)
            .ok_or_else(|| damaged("its header is longer than any"))
    }

    /// Checks and decodes the header after its prefix.
    pub(super) fn decode(prefix: &[u8; PREFIX_BYTES], bytes: &[u8]) -> Result<Self, HeaderFault> {
        if prefix[PREFIX_BYTES - HASH_BYTES..] != *blake3::hash(bytes).as_bytes() {
            return Err(damaged("its header does not match its hash"));
        }
        let undecodable = |error: String| HeaderFault::Damaged(format!("its header: {error}"));
        let header =
            peer::SnapshotHeader::decode(bytes).map_err(|error| undecodable(error.to_string()))?;
        if header.minimum_reader_version > FORMAT_VERSION {
            return Err(HeaderFault::Newer(header.minimum_reader_version));
        }
        let meta = header.meta.ok_or_else(|| damaged("it does not say what it covers"))?;
        let meta = decode_snapshot_meta(meta).map_err(|error| undecodable(error.to_string()))?;
        let body_hash = header.body_blake3.as_ref().try_into();
        Ok(Self {
            format_version: header.format_version,
            meta,
            cluster_id: header.cluster_id,
            feature_level: header.feature_level,
            body_bytes: header.body_bytes,
            body_hash: body_hash.map_err(|_| damaged("its hash has the wrong length"))?,
        })
    }

    /// The newest format that this program reads.
    pub(super) fn supported_version() -> u32 {
        FORMAT_VERSION
    }
}

fn damaged(what: &str) -> HeaderFault {
    HeaderFault::Damaged(what.to_owned())
}
