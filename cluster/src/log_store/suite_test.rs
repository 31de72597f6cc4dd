use std::sync::Arc;

use navarch_host::SystemSpawner;
use openraft::{
    StorageError,
    testing::log::{StoreBuilder, Suite},
};
use tempfile::TempDir;

use super::*;
use crate::{
    directory::Expected,
    fatal::FatalHook,
    state_machine::{Applier, test_machine::TestMachine},
    storage::{LogEngine, Storage},
    types::TypeConfig,
};

struct Builder {
    engine: fn() -> LogEngine,
}

impl StoreBuilder<TypeConfig, LogStore, Applier, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, Applier), StorageError<TypeConfig>> {
        let directory = tempfile::tempdir().unwrap();
        let spawner = SystemSpawner::current();
        let fatal = FatalHook::new(|fault| panic!("{fault}"));
        let storage = Storage::open(
            directory.path().to_owned(),
            (self.engine)(),
            Expected::default(),
            StoreHost::system(fatal.clone()),
        )
        .await
        .unwrap();
        let (machine, _) = TestMachine::new();
        let applier =
            Applier::new(Box::new(machine), Arc::clone(&storage.snapshots), spawner, fatal);
        Ok((directory, storage.log, applier))
    }
}

/// Without it the log in sled could break one of the promises that openraft relies on.
#[tokio::test]
async fn sled_passes_the_suite_of_openraft() {
    let engine = || LogEngine::Sled(test_support::small_sled());
    Suite::test_all(Builder { engine }).await.unwrap();
}

/// Without it a simulation would run on a log that behaves unlike the real one.
#[tokio::test]
async fn memory_passes_the_suite_of_openraft() {
    let engine = || LogEngine::Memory(MemoryDisk::default());
    Suite::test_all(Builder { engine }).await.unwrap();
}
