use std::{fmt, io, process::ExitCode};

use miette::Diagnostic;

use crate::client::{self, CallError};

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
        Self {
            kind,
            message: message.into(),
            help: None,
            cause: None,
        }
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

    /// Adds a cause that can point into a file.
    pub(crate) fn caused_by(mut self, cause: impl Diagnostic + Send + Sync + 'static) -> Self {
        self.cause = Some(Box::new(cause));
        self
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

    /// Prints the failure on stderr and answers its exit code.
    pub(crate) fn report(self) -> ExitCode {
        let code = ExitCode::from(self.kind.exit_code());
        if self.kind != FailureKind::OutputClosed {
            eprintln!("{:?}", miette::Report::new(self));
        }
        code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Diagnostic for Failure {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.cause.as_deref().map(|cause| cause as &dyn Diagnostic)
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
