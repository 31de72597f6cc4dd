use std::sync::Arc;

use navarch_host::Spawner;
use tokio::sync::Semaphore;
use tonic::Status;

use super::Limits;

/// Runs long conversions on threads of their own, a bounded number at once, so that they hold up no other call.
#[derive(Clone)]
pub(super) struct Offload {
    spawner: Arc<dyn Spawner>,
    places: Arc<Semaphore>,
}

impl Offload {
    pub(super) fn new(spawner: Arc<dyn Spawner>, conversions: usize) -> Self {
        let places = Arc::new(Semaphore::new(conversions.clamp(1, Semaphore::MAX_PERMITS)));
        Self { spawner, places }
    }

    /// Runs `convert`, which deals with about `bytes` bytes.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        convert: impl FnOnce() -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        if bytes <= Limits::INLINE_BYTES {
            return convert();
        }
        let place = Arc::clone(&self.places).acquire_owned().await;
        let body = move || {
            let converted = convert();
            drop(place);
            converted
        };
        let converting = self.spawner.on_thread("connect-convert", body).map_err(|error| {
            Status::resource_exhausted(format!(
                "no thread for a message of {bytes} bytes: {error}; send less in one call"
            ))
        })?;
        converting
            .await
            .unwrap_or_else(|_| Err(Status::internal("the conversion of a message ended early")))
    }
}
