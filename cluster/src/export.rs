use std::{io, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use navarch_host::Moment;
use tokio::sync::Semaphore;

use crate::{
    context::Context, error::StoreError, replica_error::ExportError, state_machine::Applier,
};

/// Hands out snapshots to people. Writes go on meanwhile, and Raft's own snapshots are left alone.
pub(crate) struct Exporter {
    context: Arc<Context>,
    /// One at a time: each is a file beside the replica's own until it is sent.
    turns: Arc<Semaphore>,
}

impl Exporter {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context, turns: Arc::new(Semaphore::new(1)) }
    }

    /// The file's chunks, header first; the file goes with the stream.
    pub(crate) async fn export(
        &self,
        deadline: Moment,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, ExportError> {
        let turn = Arc::clone(&self.turns).try_acquire_owned().map_err(|_| ExportError::Busy)?;
        let running = self.context.running().ok_or(ExportError::NotFormed)?;
        // State, log id and membership at one moment, between two batches.
        let asked = running.raft.with_state_machine(|applier: &mut Applier| {
            let job = applier.snapshot_job();
            Box::pin(async move { job })
        });
        let clock = &self.context.clock;
        let asked = clock.timeout_at(deadline, asked).await.map_err(|_| ExportError::Late)?;
        let mut job = asked.map_err(|_| ExportError::Stopping)?;
        let written = clock.timeout_at(deadline, job.write_apart()).await;
        let file = match written {
            // The state is away while a snapshot of the leader's is installed into it.
            Err(_) | Ok(Err(StoreError::Closed)) => return Err(ExportError::Late),
            Ok(written) => written?,
        };
        let chunks = file
            .chunks(self.context.raft_tasks.as_ref())
            .map_err(StoreError::io("start a thread to send", file.path()))?;
        Ok(chunks.map(move |chunk| {
            let _held = &turn;
            chunk
        }))
    }
}
