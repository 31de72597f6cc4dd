use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use navarch_host::{Spawner, Stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::connection::Connections;

/// A runtime that serves connections. One stays on it for life, so that its calls and what writes their answers
/// share a thread: answers that are ready together leave in one system call.
pub(super) struct Worker {
    connections: Connections,
    spawner: Arc<dyn Spawner>,
    open: AtomicUsize,
}

/// A connection's seat at a worker, for as long as it lives.
struct Seat(Arc<Worker>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    pub(super) fn new(connections: Connections, spawner: Arc<dyn Spawner>) -> Self {
        Self { connections, spawner, open: AtomicUsize::new(0) }
    }

    /// How many connections it serves now.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Serves `stream` until it ends or is cut off, and gives `place` back then.
    pub(super) fn take(
        self: &Arc<Self>,
        stream: Stream,
        place: OwnedSemaphorePermit,
        cut_off: CancellationToken,
    ) -> io::Result<()> {
        // Its readiness is told to the runtime that accepted it, and is to be told to this one.
        let stream = stream.detach()?;
        self.open.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(Arc::clone(self));
        self.spawner.spawn("connection", async move {
            let connections = &seat.0.connections;
            match stream.attach() {
                Ok(stream) => tokio::select! {
                    () = connections.serve(stream) => {}
                    () = cut_off.cancelled() => {}
                },
                Err(error) => debug!(%error, "a connection could not be served"),
            }
            drop(place);
        });
        Ok(())
    }
}
