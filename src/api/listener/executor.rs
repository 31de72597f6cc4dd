use std::{future::Future, sync::Arc};

use hyper::rt::Executor;
use navarch_host::Spawner;

/// The injected spawner as hyper wants it: each call on an HTTP/2 connection is a task.
#[derive(Clone)]
pub(super) struct SpawnerExecutor(pub(super) Arc<dyn Spawner>);

impl<F> Executor<F> for SpawnerExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        self.0.spawn("http2-call", call);
    }
}
