use std::{io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use thiserror::Error;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Why a client could not be made: the configuration is wrong.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The list of replicas is empty.
    #[error("no replica is named; give --server or NAVARCH_SERVER as host:port[,host:port...]")]
    NoEndpoints,
    /// More replicas than a client keeps track of.
    #[error("{given} replicas are named, at most {limit} are supported; name some of them")]
    TooManyEndpoints {
        /// How many were given.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
    /// An endpoint that is no address.
    #[error(
        "replica address {given:?} is wrong: {problem}; write it like 10.0.0.1:50051 or https://cp.example:50051"
    )]
    BadEndpoint {
        /// As it was given.
        given: String,
        /// What is wrong.
        problem: String,
    },
    /// The token cannot travel in a header.
    #[error(
        "the token has characters that no HTTP header may carry; check NAVARCH_AUTH_TOKEN for line breaks"
    )]
    BadToken,
    /// The file of certificate authorities cannot be used.
    #[error("cannot read certificates from {path}: {problem}; name a PEM file with --ca-file")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An `https` endpoint, no `ca_file`, and no known system file.
    #[error(
        "no file of certificate authorities found on this system for {endpoint}; name one with --ca-file, or --insecure to skip verification"
    )]
    NoAuthorities {
        /// The endpoint that needs it.
        endpoint: String,
    },
    /// The TLS library refused the configuration.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why a call has no answer to give.
#[derive(Clone, Debug, Error)]
pub enum CallError {
    /// A replica answered no; asking again will not help.
    #[error("{message} ({}, from {endpoint})", code_name(*code))]
    Refused {
        /// The gRPC code.
        code: Code,
        /// The replica's words.
        message: String,
        /// `grpc-status-details-bin`, decoded; often empty.
        details: Bytes,
        /// The replica, `host:port`.
        endpoint: Arc<str>,
    },
    /// No replica could be connected to, or none knew a leader, until the limit.
    #[error(
        "no replica could serve the call within {waited:?}: tried {endpoints} ({attempts} tries), last: {last}; check that a majority of the replicas runs and that the addresses are right{}",
        may_have_happened(repeat_as)
    )]
    Unreachable {
        /// How long it was tried.
        waited: Duration,
        /// All replicas, comma-separated.
        endpoints: String,
        /// Number of tries.
        attempts: u32,
        /// The last failure, with its replica.
        last: String,
        /// For a write that may have taken effect: the id under which it may be repeated.
        repeat_as: Option<String>,
    },
    /// A replica had the call and did not answer in time. Whether a write took effect is unknown.
    #[error(
        "no answer within {waited:?} from {endpoints} ({attempts} tries), last: {last}; ask for more time with --timeout{}",
        may_have_happened(repeat_as)
    )]
    TimedOut {
        /// How long it was tried.
        waited: Duration,
        /// All replicas, comma-separated.
        endpoints: String,
        /// Number of tries.
        attempts: u32,
        /// The last failure, with its replica.
        last: String,
        /// For a write that may have taken effect: the id under which it may be repeated.
        repeat_as: Option<String>,
    },
    /// The answer is no answer of this protocol.
    #[error(
        "{endpoint} answered what this client cannot read: {problem}; check that the address is a Navarch replica"
    )]
    BadAnswer {
        /// The replica, `host:port`.
        endpoint: Arc<str>,
        /// What is wrong.
        problem: String,
    },
    /// The request is larger than a replica accepts.
    #[error("the request has {size} bytes, the limit is {limit}; send less at once")]
    TooLarge {
        /// Encoded size.
        size: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// The request id cannot travel in a header.
    #[error(
        "request id {0:?} has characters that no HTTP header may carry; use letters, digits and dashes"
    )]
    BadRequestId(String),
}

/// The kinds of failure that callers tell apart, as the exit codes of the command line do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Refused or failed (exit code 1).
    Refused,
    /// What was asked for does not exist (3).
    NotFound,
    /// No replica reachable, or no leader (4).
    Unreachable,
    /// No answer in time (5).
    TimedOut,
    /// A wrong token, or one that may not do this (6).
    NotAllowed,
}

impl CallError {
    /// Which kind of failure this is.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Refused { code, .. } => match code {
                Code::NotFound => Failure::NotFound,
                Code::Unauthenticated | Code::PermissionDenied => Failure::NotAllowed,
                Code::Unavailable => Failure::Unreachable,
                Code::DeadlineExceeded => Failure::TimedOut,
                _ => Failure::Refused,
            },
            Self::Unreachable { .. } => Failure::Unreachable,
            Self::TimedOut { .. } => Failure::TimedOut,
            Self::BadAnswer { .. } | Self::TooLarge { .. } | Self::BadRequestId(_) => {
                Failure::Refused
            }
        }
    }

    /// After which time the replica would have the call repeated (`google.rpc.RetryInfo` of the refusal).
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Refused { code, message, details, .. } = self else {
            return None;
        };
        let status = Status::with_details(*code, message.as_str(), details.clone());
        status.get_details_retry_info()?.retry_delay
    }

    /// The gRPC code nearest to it, for counting.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Unreachable { .. } => Code::Unavailable,
            Self::TimedOut { .. } => Code::DeadlineExceeded,
            Self::BadAnswer { .. } => Code::Internal,
            Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::BadRequestId(_) => Code::InvalidArgument,
        }
    }

    /// The code as the Connect protocol spells it, like `not_found`.
    pub fn code_name(&self) -> &'static str {
        code_name(self.code())
    }
}

fn may_have_happened(repeat_as: &Option<String>) -> String {
    repeat_as.as_ref().map_or_else(String::new, |id| {
        format!("; the write may have taken effect: look before you repeat it, or repeat it under request id {id}")
    })
}

/// The code as the Connect protocol spells it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// Why one try failed in a way that another replica, or another moment, may mend.
#[derive(Clone, Debug, Error)]
pub(super) enum TryError {
    /// No connection: the replica has not seen the call.
    #[error("{0}")]
    Connect(Arc<str>),
    /// The connection broke under the call.
    #[error("connection lost: {0}")]
    Broken(Arc<str>),
    /// The replica says that it cannot serve now.
    #[error("{0}")]
    Unavailable(Arc<str>),
    /// The replica passed the call on, and does not know whether it was carried out.
    #[error("{0}")]
    Unsure(Arc<str>),
    /// No answer within the limit of the try.
    #[error("no answer in time")]
    Silent,
}

impl From<io::Error> for TryError {
    fn from(error: io::Error) -> Self {
        Self::Connect(error.to_string().into())
    }
}
