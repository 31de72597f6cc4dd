use std::{io, path::PathBuf};

use crate::{health::Unjudged, ledger::ProposeError};

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
    Unjudged(#[from] Unjudged),
    /// The thread or the runtime of a simulation could not be started.
    #[error("the simulation cannot be started: {0}")]
    Start(#[from] io::Error),
    /// It ended without a result, which is a defect of it.
    #[error(
        "the simulation ended without a result; this is a defect, run it again with --log-level debug"
    )]
    Ended,
    /// A report could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}
