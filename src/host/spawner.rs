use std::{future::Future, io, sync::Arc, thread};

use futures::future::BoxFuture;
use tokio::{runtime, task::AbortHandle, task::JoinHandle};

/// Starts tasks, threads and runtimes, so that a simulation can keep all of a replica on one deterministic
/// host while the binary gives it a storage thread and runtimes of its own.
pub trait Spawner: Send + Sync + 'static {
    /// Starts `task` on this spawner's runtime.
    fn spawn_boxed(&self, name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle;

    /// Runs `body`, which may block, away from the runtime's workers.
    fn thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()>;

    /// A spawner on a runtime of its own with `workers` threads; a simulation answers its only one.
    fn runtime(&self, name: &str, workers: usize) -> io::Result<Arc<dyn Spawner>>;
}

impl dyn Spawner {
    /// Starts `task` on this spawner's runtime. Dropping the handle lets it run on.
    pub fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> TaskHandle {
        self.spawn_boxed(name, Box::pin(task))
    }
}

/// A started task.
#[derive(Debug)]
pub struct TaskHandle(JoinHandle<()>);

impl TaskHandle {
    /// Stops the task at its next await point.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// A handle that can only abort.
    pub fn abort_handle(&self) -> AbortHandle {
        self.0.abort_handle()
    }

    /// Waits until the task has ended; a panic in it has been logged.
    pub async fn join(self) {
        // An aborted task ends with an error of its own, which is what the caller asked for.
        let _ = self.0.await;
    }
}

impl From<JoinHandle<()>> for TaskHandle {
    fn from(handle: JoinHandle<()>) -> Self {
        Self(handle)
    }
}

/// Tokio runtimes and operating-system threads.
#[derive(Debug)]
pub struct SystemSpawner {
    handle: runtime::Handle,
    /// Kept so that the runtime lives as long as its spawner.
    owned: Option<runtime::Runtime>,
}

impl SystemSpawner {
    /// Starts tasks on the runtime of the caller.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn current() -> Arc<dyn Spawner> {
        Arc::new(Self { handle: runtime::Handle::current(), owned: None })
    }
}

impl Spawner for SystemSpawner {
    #[allow(clippy::disallowed_methods, reason = "this is the spawner that all others go through")]
    fn spawn_boxed(&self, name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle {
        tracing::trace!(task = name, "start");
        TaskHandle(self.handle.spawn(task))
    }

    fn thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)
    }

    fn runtime(&self, name: &str, workers: usize) -> io::Result<Arc<dyn Spawner>> {
        let owned = runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name(name)
            .enable_all()
            .build()?;
        Ok(Arc::new(Self { handle: owned.handle().clone(), owned: Some(owned) }))
    }
}

impl Drop for SystemSpawner {
    fn drop(&mut self) {
        // Dropping a runtime blocks, which an async caller must not do.
        if let Some(runtime) = self.owned.take() {
            runtime.shutdown_background();
        }
    }
}
