use std::{io, sync::Arc};

use navarch_host::Spawner;
use openraft::{RaftSnapshotBuilder, storage::Snapshot};

use super::{contract::Image, exclusive::Exclusive};
use crate::{
    error::StoreError,
    fatal::FatalHook,
    snapshot_store::{SnapshotFile, SnapshotStore},
    types::{LeaderId, ReplicaInfo, SnapshotMeta, TypeConfig},
};

/// What becomes of the image.
type Write = fn(&SnapshotStore, SnapshotMeta, &dyn Image) -> Result<SnapshotFile, StoreError>;

/// Builds one snapshot from an image that nothing changes any more, on a thread of its own.
pub(crate) struct SnapshotJob {
    pub(super) image: Exclusive<Option<Box<dyn Image>>>,
    pub(super) meta: SnapshotMeta,
    pub(super) snapshots: Arc<SnapshotStore>,
    pub(super) spawner: Arc<dyn Spawner>,
    pub(super) fatal: FatalHook,
}

impl SnapshotJob {
    async fn build(&mut self) -> Result<SnapshotFile, StoreError> {
        self.write(SnapshotStore::build).await
    }

    /// A file that is none of the replica's own.
    pub(crate) async fn write_apart(&mut self) -> Result<SnapshotFile, StoreError> {
        self.write(SnapshotStore::write_apart).await
    }

    async fn write(&mut self, write: Write) -> Result<SnapshotFile, StoreError> {
        let image = self.image.get().take().ok_or(StoreError::Closed)?;
        let (meta, snapshots) = (self.meta.clone(), Arc::clone(&self.snapshots));
        let body = move || {
            let outcome = write(&snapshots, meta, image.as_ref());
            // A large image takes long to drop: here nobody waits for it.
            drop(image);
            outcome
        };
        // A replica that stops meanwhile keeps the file and finds it at its next start.
        let built = self
            .spawner
            .on_thread("snapshot", body)
            .map_err(StoreError::io("start a thread to build", "a snapshot"))?;
        built.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotJob {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(
        &mut self,
    ) -> Result<Snapshot<LeaderId, u64, ReplicaInfo, SnapshotFile>, io::Error> {
        match self.build().await {
            Ok(file) => Ok(Snapshot { meta: file.meta().clone(), snapshot: file }),
            Err(fault) => {
                self.fatal.report(&fault);
                Err(fault.into_io())
            }
        }
    }
}
