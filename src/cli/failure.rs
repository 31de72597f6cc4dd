use std::{
    fmt,
    io::{self, IsTerminal as _},
    process::ExitCode,
    sync::Arc,
};

use bytes::Bytes;
use miette::{Diagnostic, LabeledSpan, MietteHandlerOpts, SourceCode};

use super::output;
use crate::client::{self, CallError};

/// Characters in a line that is not to be broken.
const UNBROKEN: usize = 10_000;

/// Why a command did not do what it was asked to; each kind has an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Whoever reads our output has gone: nothing is left to say.
    OutputClosed,
    /// Refused, or tried and failed.
    Refused,
    /// The command line or a file is wrong.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// No replica answers, or the group has no leader.
    Unreachable,
    /// The time allowed passed first; what was asked may have taken effect.
    TimedOut,
    /// The token is missing, wrong, or not enough.
    NotAllowed,
}

impl FailureKind {
    /// The exit code, as the command-line contract lists them.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unreachable => 4,
            Self::TimedOut => 5,
            Self::NotAllowed => 6,
        }
    }
}

/// A failed command: what failed, on which value, why, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: FailureKind,
    message: String,
    help: Option<String>,
    cause: Option<Box<dyn Diagnostic + Send + Sync>>,
}

impl Failure {
    /// A failure that says `message`.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None, cause: None }
    }

    /// A wrong command line or file.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// Something that was tried and did not work.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// Adds the next thing to try.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A file that cannot be used; `cause` says why and can point into it.
    pub(crate) fn wrong_file(cause: impl Diagnostic + Send + Sync + 'static) -> Self {
        let mut failure = Self::usage(cause.to_string());
        failure.cause = Some(Box::new(cause));
        failure
    }

    /// What kind of failure it is.
    pub(crate) fn kind(&self) -> FailureKind {
        self.kind
    }

    /// A call to the control plane that failed while doing `what`, like `list the nodes`.
    pub(crate) fn from_call(what: &str, error: &CallError) -> Self {
        let kind = FailureKind::from(error.failure());
        let failure = Self::new(kind, format!("cannot {what}: {error}"));
        match next_step(kind) {
            Some(help) => failure.help(help),
            None => failure,
        }
    }

    /// A stream that a replica ended while doing `what`.
    pub(crate) fn from_status(what: &str, status: &tonic::Status) -> Self {
        let error = CallError::Refused {
            code: status.code(),
            message: status.message().to_owned(),
            details: Bytes::new(),
            endpoint: Arc::from("a replica"),
        };
        Self::from_call(what, &error)
    }

    /// Prints the failure on stderr and answers its exit code.
    pub(crate) fn report(self) -> ExitCode {
        let code = ExitCode::from(self.kind.exit_code());
        if self.kind != FailureKind::OutputClosed {
            set_look(io::stderr().is_terminal());
            output::message(&format!("{:?}", miette::Report::new(self)));
        }
        code
    }
}

/// In a file or a pipe an error is for a program or for a search: messages stay on one line.
fn set_look(terminal: bool) {
    // It fails when it was set before, which is as well.
    let _ = miette::set_hook(Box::new(move |_| {
        let options = MietteHandlerOpts::new().terminal_links(false);
        if terminal {
            return Box::new(options.build());
        }
        Box::new(options.width(UNBROKEN).unicode(false).build())
    }));
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Diagnostic for Failure {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.cause.as_ref().and_then(|cause| cause.source_code())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.cause.as_ref().and_then(|cause| cause.labels())
    }
}

impl From<client::Failure> for FailureKind {
    fn from(failure: client::Failure) -> Self {
        match failure {
            client::Failure::Refused => Self::Refused,
            client::Failure::NotFound => Self::NotFound,
            client::Failure::Unreachable => Self::Unreachable,
            client::Failure::TimedOut => Self::TimedOut,
            client::Failure::NotAllowed => Self::NotAllowed,
        }
    }
}

/// The next command to try; the reason itself says it for the other kinds.
fn next_step(kind: FailureKind) -> Option<&'static str> {
    match kind {
        FailureKind::NotFound => {
            Some("`navarch list` and `navarch instance list` show what there is")
        }
        FailureKind::Unreachable => Some(
            "name the replicas with --server host:port,... or NAVARCH_SERVER; `navarch replica list` asked of each shows which have a leader",
        ),
        FailureKind::TimedOut => {
            Some("`navarch status` shows how the group is; --timeout gives a call more time")
        }
        FailureKind::NotAllowed => {
            Some("set NAVARCH_AUTH_TOKEN to the token that the replicas were started with")
        }
        FailureKind::OutputClosed | FailureKind::Refused | FailureKind::Usage => None,
    }
}

impl From<io::Error> for Failure {
    /// An error of writing to stdout.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(FailureKind::OutputClosed, "the output was closed");
        }
        Self::refused(format!("cannot write to stdout: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it scripts could not tell failures apart by the exit codes of the contract.
    #[test]
    fn each_kind_has_the_contracts_exit_code() {
        let table = [
            (FailureKind::OutputClosed, 0),
            (FailureKind::Refused, 1),
            (FailureKind::Usage, 2),
            (FailureKind::NotFound, 3),
            (FailureKind::Unreachable, 4),
            (FailureKind::TimedOut, 5),
            (FailureKind::NotAllowed, 6),
        ];
        for (kind, code) in table {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
    }

    /// Without it a refusal of a replica could end with the code of another one.
    #[test]
    fn answers_of_replicas_lead_to_their_kind() {
        use tonic::Code;
        let table = [
            (Code::NotFound, FailureKind::NotFound),
            (Code::Unavailable, FailureKind::Unreachable),
            (Code::DeadlineExceeded, FailureKind::TimedOut),
            (Code::PermissionDenied, FailureKind::NotAllowed),
            (Code::Unauthenticated, FailureKind::NotAllowed),
            (Code::FailedPrecondition, FailureKind::Refused),
            (Code::InvalidArgument, FailureKind::Refused),
            (Code::ResourceExhausted, FailureKind::Refused),
        ];
        for (code, kind) in table {
            let error = CallError::Refused {
                code,
                message: "no such node".to_owned(),
                details: Bytes::new(),
                endpoint: "10.0.0.1:50051".into(),
            };
            let failure = Failure::from_call("read node n-1", &error);
            assert_eq!(failure.kind(), kind, "{code:?}");
            let text = failure.to_string();
            assert!(text.contains("read node n-1") && text.contains("no such node"), "{text}");
        }
    }

    /// Without it `navarch list | head` would end with an error.
    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.kind().exit_code(), 0);
        let failure = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(failure.kind().exit_code(), 1);
    }
}
