use navarch_proto::fleet::{Rejection, RejectionCode};

/// Why a proposal has no accepted outcome. Whoever retries must tell these apart.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProposeError {
    /// The state machine refused it. Final, and nothing changed.
    #[error("{}", rejection.message)]
    Rejected {
        /// Index of the log entry that was rejected.
        index: u64,
        /// Code and message.
        rejection: Rejection,
    },
    /// It never entered the log: safe to try again, here or elsewhere.
    #[error("not proposed: {reason}")]
    NotProposed {
        /// What stood in the way.
        reason: String,
    },
    /// It is larger than the log takes. Final: the same proposal never fits.
    #[error("{reason}")]
    TooLarge {
        /// Size and limit.
        reason: String,
    },
    /// It may or may not take effect: only a retry under the same request id is safe.
    #[error("the outcome is unknown: {reason}")]
    Unknown {
        /// What happened to the wait.
        reason: String,
    },
}

impl ProposeError {
    /// The rejection's code, if it is one.
    pub fn rejection_code(&self) -> Option<RejectionCode> {
        match self {
            Self::Rejected { rejection, .. } => Some(rejection.code()),
            Self::NotProposed { .. } | Self::TooLarge { .. } | Self::Unknown { .. } => None,
        }
    }
}

impl From<navarch_cluster::ProposeError> for ProposeError {
    fn from(error: navarch_cluster::ProposeError) -> Self {
        use navarch_cluster::ProposeError as Cause;
        let reason = error.to_string();
        match error {
            Cause::Unknown { .. } => Self::Unknown { reason },
            Cause::TooLarge { .. } => Self::TooLarge { reason },
            Cause::NotLeader { .. } | Cause::Overloaded { .. } | Cause::Stopping => {
                Self::NotProposed { reason }
            }
        }
    }
}

/// No up-to-date state could be read in time.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no up-to-date read: {reason}")]
pub struct ReadError {
    reason: String,
}

impl From<navarch_cluster::ReadError> for ReadError {
    fn from(error: navarch_cluster::ReadError) -> Self {
        Self { reason: error.to_string() }
    }
}
