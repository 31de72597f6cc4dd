use std::{io, path::PathBuf, time::Duration};

use navarch::client::{CallError, ClientError};

/// Why a run could not be carried out. What a run finds wrong with the system is no error but a violation.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// The operating system refused something.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Its answer.
        source: io::Error,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {limit:?}; last: {last}")]
    Late {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
        /// How things stood at the end.
        last: String,
    },
    /// A process ended by itself.
    #[error("{name} {how}; the end of its log:\n{log}")]
    Ended {
        /// Which process.
        name: String,
        /// `ended with code 1`.
        how: String,
        /// The end of its log.
        log: String,
    },
    /// The program under test is not where it should be.
    #[error("there is no program {path}; build it with `cargo build`, or name it with --navarch")]
    NoProgram {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A call that had to succeed failed.
    #[error("cannot {what}: {source}")]
    Call {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: CallError,
    },
    /// A scenario file is not what it should be.
    #[error("{file}: {problem}")]
    Scenario {
        /// Which file.
        file: String,
        /// The key, its value, and what to write instead.
        problem: String,
    },
    /// Another program did not do what it was started for.
    #[error("{program}: {problem}")]
    Tool {
        /// Which.
        program: String,
        /// What went wrong.
        problem: String,
    },
}

impl ChaosError {
    /// Says what was tried when the operating system refused.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }

    /// Says what was tried when a call failed.
    pub(crate) fn call(what: impl Into<String>) -> impl FnOnce(CallError) -> Self {
        let what = what.into();
        move |source| Self::Call { what, source }
    }
}
