//! Snapshots for people.
//!
//! | file | does |
//! |---|---|
//! | `save` | takes one from a running group |
//! | `inspect` | reads one, offline |
//! | `restore` | makes a group of one from one |
//! | `end_adoption` | releases the restored fleet |
//! | `summary` | what a file holds |
//! | `confirm` | asks a person on a terminal |

mod confirm;
mod end_adoption;
mod inspect;
mod restore;
mod save;
mod summary;

use clap::Subcommand;

use self::{
    end_adoption::EndAdoptionArguments, inspect::InspectArguments, restore::RestoreArguments,
    save::SaveArguments,
};
use super::{
    failure::{Failure, FailureKind},
    invocation::Invocation,
};
use crate::ledger::SavedError;

/// `navarch snapshot ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Take a snapshot of the fleet from a running group
    Save(SaveArguments),
    /// Check a snapshot and show what it holds, without a group
    Inspect(InspectArguments),
    /// Make a new group of one replica from a snapshot, in adopt mode
    Restore(RestoreArguments),
    /// Release a restored fleet: buying, giving back and scaling begin again
    EndAdoption(EndAdoptionArguments),
}

impl SnapshotCommand {
    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::Save(arguments) => arguments.run(invocation).await,
            Self::Inspect(arguments) => arguments.run(invocation).await,
            Self::Restore(arguments) => arguments.run(invocation).await,
            Self::EndAdoption(arguments) => arguments.run(invocation).await,
        }
    }

    /// Whether it works without a context file, which may then be broken.
    pub(crate) fn offline(&self) -> bool {
        matches!(self, Self::Inspect(_) | Self::Restore(_))
    }
}

/// A file that cannot be used: 3 where there is none, 2 where it never was a snapshot, else 1.
fn unusable(error: &SavedError) -> Failure {
    use navarch_cluster::SavedSnapshotError as File;
    let kind = match error {
        SavedError::File(File::Read { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            FailureKind::NotFound
        }
        SavedError::File(File::Foreign { .. }) => FailureKind::Usage,
        SavedError::File(File::Read { .. } | File::Damaged { .. } | File::Newer { .. })
        | SavedError::State(_)
        | SavedError::Refused(_) => FailureKind::Refused,
    };
    Failure::new(kind, error.to_string())
}

/// Runs what blocks for as long as a large file takes.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::refused(format!("a task ended early: {error}"))))
}
