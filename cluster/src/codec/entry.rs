use navarch_proto::peer::{self, entry::Payload as Kind};
use openraft::vote::RaftLeaderId as _;

use super::{CodecError, decode_membership, encode_membership};
use crate::types::{Carried, Entry, LeaderId, LogId, Payload};

/// The entry as a message; a proposal's bytes are shared, not copied.
pub(crate) fn encode_entry(entry: &Entry) -> peer::Entry {
    let kind = match &entry.payload {
        Carried::Blank => Kind::Blank(peer::Blank {}),
        Carried::Normal(payload) => Kind::Normal(payload.0.clone()),
        Carried::Membership(membership) => Kind::Membership(encode_membership(membership)),
    };
    peer::Entry {
        term: entry.log_id.leader_id.term,
        leader_id: entry.log_id.leader_id.node_id,
        index: entry.log_id.index,
        payload: Some(kind),
    }
}

/// The message as an entry; a proposal's bytes are shared, not copied.
pub(crate) fn decode_entry(message: peer::Entry) -> Result<Entry, CodecError> {
    let index = message.index;
    let payload = match message.payload {
        Some(Kind::Blank(peer::Blank {})) => Carried::Blank,
        Some(Kind::Normal(bytes)) => Carried::Normal(Payload(bytes)),
        Some(Kind::Membership(membership)) => Carried::Membership(decode_membership(membership)?),
        None => return Err(CodecError::UnknownPayload { index }),
    };
    let log_id = LogId::new(LeaderId::new(message.term, message.leader_id), index);
    Ok(Entry { log_id, payload })
}
