//! Composition root: the only file that knows every layer.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// What one replica is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: Config,
    /// Takes the place of the file's `cluster.data_dir`.
    pub data_dir: Option<PathBuf>,
    /// Form a new group.
    pub bootstrap: bool,
}

/// Why a replica stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {}

/// Runs one replica until `stop` is cancelled.
///
/// # Errors
///
/// If it cannot start, or cannot go on.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), ServerError> {
    drop(options);
    stop.cancelled().await;
    Ok(())
}
