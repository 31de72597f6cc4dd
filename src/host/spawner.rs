use std::{convert::Infallible, future::Future, io, sync::Arc, thread};

use futures::future::BoxFuture;
use tokio::{
    runtime::{self, Runtime},
    sync::oneshot,
    task::{AbortHandle, JoinHandle},
};

/// Starts tasks, threads and runtimes, so that a simulation can keep all of a replica on one deterministic
/// host while the binary gives it a storage thread and runtimes of its own.
pub trait Spawner: Send + Sync + 'static {
    /// Starts `task` on this spawner's runtime.
    fn spawn_boxed(&self, name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle;

    /// Runs `body`, which may block, away from the runtime's workers.
    fn thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()>;

    /// Runs `work`, which may block between its waits, away from the runtime's workers. It may wait for channels, not
    /// for timers or sockets.
    fn thread_of(&self, name: &str, work: BoxFuture<'static, ()>) -> io::Result<()> {
        self.thread(name, Box::new(|| futures::executor::block_on(work)))
    }

    /// A spawner on a runtime of its own with one thread, which ends when the spawner is dropped; a simulation
    /// answers its only one. On one thread, tasks that wake one another run in the order of their waking: what
    /// is ready together is sent together, and no other thread has to be woken for it.
    fn runtime(&self, name: &str) -> io::Result<Arc<dyn Spawner>>;

    /// Like [`Spawner::runtime`], with as many threads as the machine has processors: for tasks that compute for so long that
    /// nobody else should wait for them, nor they for one another. A spawner that has no such runtime gives one thread.
    fn busy_runtime(&self, name: &str) -> io::Result<Arc<dyn Spawner>> {
        self.runtime(name)
    }
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

impl dyn Spawner {
    /// Runs `body`, which may block, on a thread of its own: what it comes to, or an error if it panicked.
    ///
    /// # Errors
    ///
    /// If no thread can be had.
    pub fn on_thread<T: Send + 'static>(
        &self,
        name: &str,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<oneshot::Receiver<T>> {
        let (sender, made) = oneshot::channel();
        let body = move || {
            // Whoever has gone away needs nothing.
            let _ = sender.send(body());
        };
        self.thread(name, Box::new(body))?;
        Ok(made)
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
    /// Dropped with the spawner, which ends the runtime that was made for it.
    _alive: Option<oneshot::Sender<Infallible>>,
}

impl SystemSpawner {
    /// Starts tasks on the runtime of the caller.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn current() -> Arc<dyn Spawner> {
        Arc::new(Self { handle: runtime::Handle::current(), _alive: None })
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

    fn runtime(&self, name: &str) -> io::Result<Arc<dyn Spawner>> {
        self.owning(name, runtime::Builder::new_current_thread().enable_all().build()?)
    }

    fn busy_runtime(&self, name: &str) -> io::Result<Arc<dyn Spawner>> {
        let mut threads = runtime::Builder::new_multi_thread();
        self.owning(name, threads.thread_name(name).enable_all().build()?)
    }
}

impl SystemSpawner {
    /// A spawner on `owned`, which ends with it.
    fn owning(&self, name: &str, owned: Runtime) -> io::Result<Arc<dyn Spawner>> {
        let handle = owned.handle().clone();
        let (alive, ended) = oneshot::channel::<Infallible>();
        let body = move || {
            // Ends with an error, once the sender is gone.
            let _ = owned.block_on(ended);
            owned.shutdown_background();
        };
        self.thread(name, Box::new(body))?;
        Ok(Arc::new(Self { handle, _alive: Some(alive) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the tasks of a replica that was dropped would run on, or its thread would stay.
    #[tokio::test]
    async fn a_runtime_runs_tasks_until_its_spawner_is_dropped() {
        let here = SystemSpawner::current();
        for own in [here.runtime("own").unwrap(), here.busy_runtime("own").unwrap()] {
            runs_tasks_until_dropped(own).await;
        }
    }

    async fn runs_tasks_until_dropped(own: Arc<dyn Spawner>) {
        let (told, heard) = oneshot::channel();
        own.spawn("tells", async move {
            let name = thread::current().name().map(str::to_owned);
            let _ = told.send(name);
        });
        assert_eq!(heard.await, Ok(Some("own".to_owned())));
        let (held, dropped) = oneshot::channel::<()>();
        own.spawn("waits", async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        drop(own);
        assert!(dropped.await.is_err());
    }
}
