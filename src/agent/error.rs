use std::{io, path::PathBuf};

use thiserror::Error;

use crate::client::CallError;

/// Why an agent ended without being told to.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The configuration has no node id.
    #[error("the node id is empty; give --node-id, the provider's own id of this machine")]
    NoNodeId,
    /// The group will not have this node, and asking again will not help.
    #[error(
        "node {node_id} cannot register: {source}; check the node id and NAVARCH_AUTH_TOKEN or NAVARCH_AGENT_TOKEN"
    )]
    Refused {
        /// The node.
        node_id: String,
        /// The answer.
        source: CallError,
    },
    /// The directory for executed commands and health events cannot be used.
    #[error(
        "cannot keep executed commands and health events in {path}: {source}; name a writable directory with --state-dir"
    )]
    StateDir {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else has the directory.
    #[error("another agent uses {path}; end it first, or name another directory with --state-dir")]
    StateDirTaken {
        /// The directory.
        path: PathBuf,
    },
    /// A file of executed commands that is not one.
    #[error(
        "{path} is no list of executed commands: {problem}; move it away, but know that commands still queued for this node may then run twice"
    )]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The thread that keeps health events has ended. What is in memory is reported no more, but an agent that went on would
    /// lose all that comes; one that is started anew reads the kernel log and the GPUs' counters from where this one kept
    /// them last.
    #[error(
        "the thread that keeps health events in --state-dir has ended, so that none can be kept; start the agent anew"
    )]
    EventsNotKept,
    /// A thread for the GPU driver, the kernel log or the health events could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}
