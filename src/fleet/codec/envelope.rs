use navarch_proto::fleet::{Envelope, RequestKey, proposal::Kind};
use prost::Message as _;

use crate::outcome::ApplyFault;

/// The envelope format that this build writes and reads.
pub const ENVELOPE_FORMAT: u32 = 1;

/// An envelope that this build understands.
pub(crate) struct CheckedEnvelope {
    log_time_ms: u64,
    pub(crate) actor: String,
    pub(crate) session: u64,
    pub(crate) request: Option<RequestKey>,
    pub(crate) not_after_ms: u64,
    pub(crate) kind: Kind,
}

impl CheckedEnvelope {
    /// The time that the entry brings. Between sessions time may jump, within one it is stamped.
    pub(crate) fn stamp_ms(&self) -> u64 {
        match &self.kind {
            Kind::OpenSession(opening) => opening.wall_clock_ms,
            _ => self.log_time_ms,
        }
    }

    /// The id that the journal names.
    pub(crate) fn request_id(&self) -> &str {
        match (&self.request, &self.kind) {
            (Some(key), _) => &key.request_id,
            (None, Kind::RegisterNode(register)) => &register.request_id,
            (None, _) => "",
        }
    }
}

/// Decodes a log entry's payload.
pub(crate) fn check_envelope(index: u64, payload: &[u8]) -> Result<CheckedEnvelope, ApplyFault> {
    let envelope = Envelope::decode(payload)
        .map_err(|error| ApplyFault::Undecodable { index, message: error.to_string() })?;
    if envelope.format != ENVELOPE_FORMAT {
        return Err(ApplyFault::UnknownFormat {
            index,
            format: envelope.format,
            known: ENVELOPE_FORMAT,
        });
    }
    let kind = envelope
        .proposal
        .and_then(|proposal| proposal.kind)
        .ok_or(ApplyFault::UnknownProposal { index })?;
    Ok(CheckedEnvelope {
        log_time_ms: envelope.log_time_ms,
        actor: envelope.actor,
        session: envelope.session,
        request: envelope.request,
        not_after_ms: envelope.not_after_ms,
        kind,
    })
}

#[cfg(test)]
mod tests {
    use navarch_proto::fleet::{ForgetNode, Proposal};

    use super::*;

    fn envelope() -> Envelope {
        let kind = Kind::ForgetNode(ForgetNode { node_id: "node-1".to_owned() });
        Envelope {
            format: ENVELOPE_FORMAT,
            proposal: Some(Proposal { kind: Some(kind) }),
            ..Envelope::default()
        }
    }

    fn fault(payload: &[u8]) -> Option<ApplyFault> {
        check_envelope(7, payload).err()
    }

    /// A replica that skipped what it does not understand would silently differ from the others.
    #[test]
    fn what_is_not_understood_is_a_fault() {
        assert_eq!(fault(&envelope().encode_to_vec()), None);
        let newer = Envelope { format: 2, ..envelope() };
        assert_eq!(
            fault(&newer.encode_to_vec()),
            Some(ApplyFault::UnknownFormat { index: 7, format: 2, known: 1 })
        );
        let absent = Envelope { proposal: None, ..envelope() };
        let unknown = Some(ApplyFault::UnknownProposal { index: 7 });
        assert_eq!(fault(&absent.encode_to_vec()), unknown);
        // Field 200 of the oneof: a kind that only a newer build knows.
        let proposal = [0x3a, 0x03, 0xc2, 0x0c, 0x00];
        let newer_kind: Vec<u8> = absent.encode_to_vec().into_iter().chain(proposal).collect();
        assert_eq!(fault(&newer_kind), unknown);
        assert!(matches!(fault(&[0xff; 9]), Some(ApplyFault::Undecodable { index: 7, .. })));
        assert!(fault(&[]).is_some());
    }
}
