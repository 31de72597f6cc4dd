use std::sync::Arc;

use navarch_proto::{
    api::FleetEvent,
    fleet::{Outcome, Rejection, RejectionCode},
};

use crate::event::Event;

/// What became of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The answer for the proposer.
    pub outcome: Outcome,
    /// What the journal gained, in order.
    pub events: Vec<Arc<FleetEvent>>,
}

/// An entry that this build cannot apply. The replica stops: to skip it would make its state differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyFault {
    /// The payload is no envelope.
    #[error(
        "log entry {index} is not a proposal envelope: {message}; the log is damaged or foreign, \
         rejoin this replica with an empty data directory"
    )]
    Undecodable {
        /// The entry's log index.
        index: u64,
        /// What the decoder says.
        message: String,
    },
    /// A newer build wrote it.
    #[error(
        "log entry {index} has envelope format {format}; this build knows {known}, upgrade this \
         replica"
    )]
    UnknownFormat {
        /// The entry's log index.
        index: u64,
        /// Its format.
        format: u32,
        /// The format that this build knows.
        known: u32,
    },
    /// A newer build wrote it, or nobody did.
    #[error(
        "log entry {index} holds no kind of proposal that this build knows; upgrade this replica"
    )]
    UnknownProposal {
        /// The entry's log index.
        index: u64,
    },
}

/// Why a proposal was not accepted, and what the journal is to say about that.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) rejection: Rejection,
    pub(crate) event: Option<Box<Event>>,
}

impl Refusal {
    fn new(code: RejectionCode, message: impl Into<String>) -> Self {
        Self { rejection: Rejection { code: code.into(), message: message.into() }, event: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::Invalid, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::NotFound, message)
    }

    pub(crate) fn already_exists(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::AlreadyExists, message)
    }

    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::Precondition, message)
    }

    pub(crate) fn stale(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::Stale, message)
    }

    pub(crate) fn fenced(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::Fenced, message)
    }

    pub(crate) fn exhausted(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::Exhausted, message)
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::Expired, message)
    }

    pub(crate) fn request_mismatch(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::RequestMismatch, message)
    }

    /// A refusal that a person should read of.
    pub(crate) fn journalled(self, event: Event) -> Self {
        Self { event: Some(Box::new(event)), ..self }
    }
}

impl From<crate::ids::IdError> for Refusal {
    fn from(error: crate::ids::IdError) -> Self {
        Self::invalid(error.to_string())
    }
}
