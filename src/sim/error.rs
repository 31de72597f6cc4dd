use std::{io, path::PathBuf, time::Duration};

use crate::{
    client::{CallError, ClientError, Failure},
    fake_cloud::{FakeCloudError, ledger::LedgerClosed},
    health::JudgeError,
    ledger::ProposeError,
};

/// Why a scenario could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The control plane refused a step of the timeline.
    #[error("{step}: {reason}")]
    Step {
        /// The step.
        step: String,
        /// What was said.
        reason: String,
    },
    /// The simulated control plane cannot go on.
    #[error("the simulated control plane does not answer: {0}")]
    Propose(#[from] ProposeError),
    /// A simulated health report could not be judged.
    #[error("a simulated health report: {0}")]
    Unjudged(#[from] JudgeError),
    /// The thread or the runtime of a simulation could not be started.
    #[error("the simulation cannot be started: {0}")]
    Start(#[from] io::Error),
    /// It ended without a result, which is a defect of it.
    #[error(
        "the simulation ended without a result; this is a defect, run it again with --log-level debug"
    )]
    Ended,
    /// The group has machines that are not simulated.
    #[error("the group has a fleet already, which was left alone: {found}")]
    HasFleet {
        /// What it has.
        found: String,
    },
    /// The group has a configuration, but no machine that is not simulated.
    #[error("the group is configured already, which was left alone: {found}")]
    HasConfiguration {
        /// What it has.
        found: String,
    },
    /// The group has simulated machines in pools that the scenario does not have.
    #[error(
        "the group was left alone, since machines are left of another scenario: {found}; run that one once with \
         --live --force"
    )]
    LeftOfAnother {
        /// The pools.
        found: String,
    },
    /// The group's replicas make no sense.
    #[error("the group cannot be called: {0}")]
    Client(#[from] ClientError),
    /// The group refused a call, or did not answer it.
    #[error("cannot {what}: {source}")]
    Call {
        /// What for, like `list the nodes`.
        what: String,
        /// Why not.
        source: Box<CallError>,
    },
    /// A fake cloud could not be started.
    #[error("a fake cloud cannot be started: {0}")]
    Cloud(#[from] FakeCloudError),
    /// A fake cloud has ended before the scenario.
    #[error("a fake cloud has ended: {0}")]
    CloudEnded(String),
    /// A fake cloud does not take a lever any more.
    #[error("a fake cloud has ended: {0}")]
    CloudClosed(#[from] LedgerClosed),
    /// The machines of a live run are not gone.
    #[error("{left} machines are not known to be gone after {waited:?}")]
    NotCleared {
        /// How many.
        left: u32,
        /// How long was waited.
        waited: Duration,
    },
    /// A person ended it.
    #[error("stopped before the end of the scenario")]
    Stopped,
    /// A report could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl SimError {
    /// Whether what was asked may have been done all the same.
    pub(super) fn leaves_open(&self) -> bool {
        let Self::Call { source, .. } = self else { return false };
        if matches!(**source, CallError::BadAnswer { .. }) {
            return true;
        }
        match source.failure() {
            Failure::Unreachable | Failure::TimedOut => true,
            Failure::Refused | Failure::NotFound | Failure::NotAllowed => false,
        }
    }
}
