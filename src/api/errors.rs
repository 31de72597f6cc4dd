//! Outcomes and failures as status codes.

use navarch_cluster::{ExportError, MembershipError};
use navarch_proto::{
    fleet::{Rejection, RejectionCode},
    peer::Effect,
};
use tonic::{Code, Status, metadata::AsciiMetadataValue};

use crate::ledger::{ProposeError, ReadError};

/// Marks an `unavailable` inside the process with what the forwarder may conclude; never leaves it.
const EFFECT: &str = "navarch-internal-effect";
/// Certainly not carried out.
pub(super) const EFFECT_NONE: &str = "none";
/// May have been carried out.
pub(super) const EFFECT_UNKNOWN: &str = "unknown";

/// The status of a proposal that was not accepted.
pub(super) fn from_propose(error: &ProposeError) -> Status {
    match error {
        ProposeError::Rejected { rejection, .. } => from_rejection(rejection),
        ProposeError::TooLarge { .. } => Status::resource_exhausted(error.to_string()),
        ProposeError::NotProposed { .. } => unavailable(error.to_string(), EFFECT_NONE),
        ProposeError::Unknown { .. } => unavailable(error.to_string(), EFFECT_UNKNOWN),
    }
}

/// The status of a read that could not be made fresh.
pub(super) fn from_read(error: &ReadError) -> Status {
    Status::unavailable(format!(
        "{error}; ask another replica, or send `navarch-consistency: stale` for what this one knows"
    ))
}

/// Takes the mark off a handler's status: what the forwarder may conclude.
pub(super) fn take_effect(status: &mut Status) -> Effect {
    match status.metadata_mut().remove(EFFECT) {
        None => Effect::Unspecified,
        Some(mark) if mark == EFFECT_UNKNOWN => Effect::Unknown,
        Some(_) => Effect::None,
    }
}

fn unavailable(message: String, effect: &'static str) -> Status {
    let mut status = Status::unavailable(message);
    status.metadata_mut().insert(EFFECT, AsciiMetadataValue::from_static(effect));
    status
}

fn from_rejection(rejection: &Rejection) -> Status {
    Status::new(code(rejection.code()), rejection.message.clone())
}

fn code(code: RejectionCode) -> Code {
    match code {
        RejectionCode::Unspecified => Code::Internal,
        RejectionCode::Invalid | RejectionCode::RequestMismatch => Code::InvalidArgument,
        RejectionCode::NotFound => Code::NotFound,
        RejectionCode::AlreadyExists => Code::AlreadyExists,
        RejectionCode::Precondition => Code::FailedPrecondition,
        RejectionCode::Stale | RejectionCode::Fenced => Code::Aborted,
        RejectionCode::Exhausted => Code::ResourceExhausted,
        RejectionCode::Expired => Code::DeadlineExceeded,
    }
}

/// The status of a snapshot that was not handed out.
pub(super) fn from_export(error: &ExportError) -> Status {
    let message = error.to_string();
    match error {
        ExportError::Busy => Status::resource_exhausted(message),
        ExportError::Late => Status::deadline_exceeded(message),
        ExportError::NotFormed | ExportError::Stopping => unavailable(message, EFFECT_NONE),
        ExportError::Store(_) => Status::internal(message),
    }
}

/// The status of a change of the Raft group that was not made.
pub(super) fn from_membership(error: &MembershipError) -> Status {
    let message = error.to_string();
    match error {
        MembershipError::NotFound { .. } => Status::not_found(message),
        MembershipError::NotLeader { .. } | MembershipError::Stopping => {
            unavailable(message, EFFECT_NONE)
        }
        // Adding, promoting and removing are safe to repeat.
        MembershipError::Unknown { .. } => unavailable(message, EFFECT_UNKNOWN),
        MembershipError::Unreachable { .. }
        | MembershipError::Refused { .. }
        | MembershipError::LastVoter { .. }
        | MembershipError::Behind { .. }
        | MembershipError::BadTarget { .. } => Status::failed_precondition(message),
        MembershipError::InProgress => Status::aborted(message),
    }
}
