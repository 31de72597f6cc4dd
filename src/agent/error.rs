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
    /// The directory for executed commands cannot be used.
    #[error(
        "cannot keep executed commands in {path}: {source}; name a writable directory with --state-dir"
    )]
    StateDir {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
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
    /// The thread for the GPU driver could not be started.
    #[error("cannot start the thread for the GPU driver: {0}")]
    Thread(io::Error),
}
