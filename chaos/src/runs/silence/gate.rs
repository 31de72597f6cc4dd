use std::sync::{Arc, Mutex, PoisonError};

use navarch_host::{Spawner, TaskHandle};
use tokio::{
    io,
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::error::ChaosError;

/// A door before a replica's public port. While it is shut it ends every connection, those that are open and those
/// that are tried.
pub(super) struct Gate {
    address: String,
    /// Cancelled when it shuts; none while it is shut.
    open: Arc<Mutex<Option<CancellationToken>>>,
    _door: TaskHandle,
}

impl Gate {
    /// An open door to `replica`, `host:port`.
    pub(super) async fn before(
        replica: String,
        spawner: &Arc<dyn Spawner>,
    ) -> Result<Self, ChaosError> {
        let failed = || ChaosError::system(format!("open a door to {replica}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?.to_string();
        let open = Arc::new(Mutex::new(Some(CancellationToken::new())));
        let (let_in, tasks) = (Arc::clone(&open), Arc::clone(spawner));
        let door = spawner.spawn("gate", async move {
            while let Ok((agent, _)) = listener.accept().await {
                let until = let_in.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let Some(until) = until else { continue };
                let replica = replica.clone();
                tasks.spawn("connection", async move {
                    until.run_until_cancelled(relay(agent, &replica)).await;
                });
            }
        });
        Ok(Self { address, open, _door: door })
    }

    /// Where agents find it.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Ends every connection, and lets none in.
    pub(super) fn shut(&self) {
        if let Some(open) = self.open.lock().unwrap_or_else(PoisonError::into_inner).take() {
            open.cancel();
        }
    }

    /// Lets connections in again.
    pub(super) fn open(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(CancellationToken::new());
    }
}

/// Whatever ends it, the agent's side finds its connection ended.
async fn relay(mut agent: TcpStream, replica: &str) {
    let Ok(mut replica) = TcpStream::connect(replica).await else { return };
    // Small messages must not wait for each other.
    let _ = (agent.set_nodelay(true), replica.set_nodelay(true));
    let _ = io::copy_bidirectional(&mut agent, &mut replica).await;
}
