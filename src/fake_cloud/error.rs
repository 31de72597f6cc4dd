use std::{io, path::PathBuf};

use crate::client::ClientError;

/// Why a fake cloud cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum FakeCloudError {
    /// The listen address cannot be used.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// As asked for.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// Another fake cloud has the ledger open.
    #[error("ledger {} is in use by another fake cloud; stop it, or name another file", path.display())]
    LedgerInUse {
        /// The file.
        path: PathBuf,
    },
    /// The ledger cannot be opened, read or written.
    #[error("ledger {}: {source}", path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line of the ledger, not the last one, cannot be read.
    #[error(
        "ledger {}, line {line}: {reason}; the file is damaged: move it away to start with an empty cloud",
        path.display()
    )]
    LedgerDamaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The agents' client could not be made.
    #[error("simulated agents cannot call the replicas: {0}")]
    Agents(#[from] ClientError),
    /// The storage thread could not be started.
    #[error("cannot start the ledger's thread: {0}")]
    Thread(io::Error),
}
