use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use navarch_host::Clock;

use super::AgentError;

/// How long an agent that is just ending may still hold the directory.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two tries.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// The directory in which an agent remembers things; one agent at a time has it.
#[derive(Debug)]
pub(super) struct StateDir {
    path: PathBuf,
    /// The lock goes with it, also when the process is killed.
    _lock: File,
}

impl StateDir {
    /// Makes the directory if need be, and takes it.
    pub(super) async fn claim(path: &Path, clock: &Clock) -> Result<Arc<Self>, AgentError> {
        let unusable = |source| AgentError::StateDir { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(unusable)?;
        let lock = File::create(path.join("lock")).map_err(unusable)?;
        let end = clock.now() + PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Arc::new(Self { path: path.to_owned(), _lock: lock })),
                Err(TryLockError::WouldBlock) if clock.now() < end => clock.sleep(TRY_EVERY).await,
                Err(TryLockError::WouldBlock) => {
                    return Err(AgentError::StateDirTaken { path: path.to_owned() });
                }
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use navarch_host::FakeClock;

    use super::*;

    /// Without it two agents of one machine would write over each other's memory.
    #[tokio::test(flavor = "current_thread")]
    async fn one_agent_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let fake = FakeClock::new(0);
        let clock = Clock::fake(Arc::clone(&fake));
        let first = StateDir::claim(&path, &clock).await.unwrap();
        let (second, ()) = tokio::join!(StateDir::claim(&path, &clock), fake.advance(PATIENCE));
        let error = second.unwrap_err().to_string();
        assert!(error.contains("another agent"), "{error}");
        drop(first);
        assert_eq!(StateDir::claim(&path, &clock).await.unwrap().path(), path);
    }
}
