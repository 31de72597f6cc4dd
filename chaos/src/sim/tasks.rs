use std::{io, sync::Arc};

use futures::future::BoxFuture;
use navarch_host::{Spawner, TaskHandle};

/// Keeps all of a host on its one simulated thread. What would block on a thread is done at once, and takes no time.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneThread;

impl Spawner for OneThread {
    #[allow(clippy::disallowed_methods, reason = "the simulated host's runtime is the calling one")]
    fn spawn_boxed(&self, _name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle {
        TaskHandle::from(tokio::spawn(task))
    }

    fn thread(&self, _name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        body();
        Ok(())
    }

    fn thread_of(&self, _name: &str, work: BoxFuture<'static, ()>) -> io::Result<()> {
        self.spawn_boxed("thread", work);
        Ok(())
    }

    fn runtime(&self, _name: &str) -> io::Result<Arc<dyn Spawner>> {
        Ok(Arc::new(*self))
    }
}
