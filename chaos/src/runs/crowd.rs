use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{Request, header};
use navarch_host::{Spawner, TaskHandle};
use navarch_proto::{api, frame};
use rustix::{process, thread};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::{error::ChaosError, host::Host, proc::Group, wait::until};

/// How long all may take to begin.
const LIMIT: Duration = Duration::from_secs(60);
/// As low as it goes: watchers are other people's machines, and here they get what the group leaves of this one.
const PRIORITY: i32 = 19;

/// Watchers on one connection: replicas take about two hundred calls on each.
const PER_CONNECTION: usize = 100;
/// What each connection takes in without a word from its watchers, bytes.
const WINDOW: u32 = 16 << 20;

/// Watchers of the journal, spread over all replicas. They count what they are sent and read none of it: that is the
/// watchers' own affair, and these run where the group runs.
pub(super) struct Crowd {
    shared: Arc<Shared>,
    tasks: Vec<TaskHandle>,
    /// Their thread ends with it.
    _thread: Arc<dyn Spawner>,
}

#[derive(Default)]
struct Shared {
    open: AtomicUsize,
    told_bytes: AtomicU64,
    failure: Mutex<Option<String>>,
    stop: CancellationToken,
}

impl Crowd {
    /// So many, each of whom follows what `subject` says; empty: everything.
    pub(super) async fn gather(
        host: &Host,
        group: &Group,
        watchers: usize,
        subject: impl Fn(usize) -> String,
    ) -> Result<Self, ChaosError> {
        let thread = host.spawner.runtime("watchers");
        let thread = thread.map_err(ChaosError::system("start a thread for watchers"))?;
        let low = thread.spawn("priority", async {
            // Without it the figures are worse, not wrong.
            let _ = process::setpriority_process(Some(thread::gettid()), PRIORITY);
        });
        low.join().await;
        let (shared, addresses) = (Arc::<Shared>::default(), group.addresses());
        let mut tasks = Vec::new();
        for first in (0..watchers).step_by(PER_CONNECTION) {
            let subjects = (first..watchers.min(first + PER_CONNECTION)).map(&subject).collect();
            let address = addresses[first / PER_CONNECTION % addresses.len()].clone();
            let watching = Arc::clone(&shared).watch(address, subjects);
            tasks.push(thread.spawn("watchers", watching));
        }
        until(host, "the beginning of all watches", LIMIT, || async {
            if let Some(failure) = shared.failure() {
                return Err(failure);
            }
            match shared.open.load(Ordering::Relaxed) {
                open if open == watchers => Ok(()),
                open => Err(format!("{open} of {watchers} have begun")),
            }
        })
        .await?;
        Ok(Self { shared, tasks, _thread: thread })
    }

    /// Ends them; how many bytes of events they were sent.
    ///
    /// # Errors
    ///
    /// If a watch ended early.
    pub(super) async fn leave(self) -> Result<u64, ChaosError> {
        self.shared.stop.cancel();
        for task in self.tasks {
            task.join().await;
        }
        match self.shared.failure() {
            None => Ok(self.shared.told_bytes.load(Ordering::Relaxed)),
            Some(problem) => Err(ChaosError::Tool { program: "a watcher".to_owned(), problem }),
        }
    }
}

impl Shared {
    /// One connection with a watcher for each of `subjects`.
    async fn watch(self: Arc<Self>, address: String, subjects: Vec<String>) {
        let watched = async {
            let socket = TcpStream::connect(&address).await.map_err(|error| error.to_string())?;
            let mut builder = Builder::new();
            builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
            let opened = builder.handshake::<_, Bytes>(socket).await;
            let (calls, connection) = opened.map_err(|error| error.to_string())?;
            let streams =
                subjects.into_iter().map(|subject| self.follow(&address, calls.clone(), subject));
            let streams = futures::future::try_join_all(streams);
            let driven = async {
                let ended = connection.await;
                let why = ended.err().map_or("it closed".to_owned(), |error| error.to_string());
                Err::<(), String>(why)
            };
            futures::future::try_join(streams, driven).await.map(drop)
        };
        let ended: Option<Result<(), String>> = self.stop.run_until_cancelled(watched).await;
        if let Some(Err(why)) = ended {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        }
    }

    async fn follow(
        &self,
        address: &str,
        calls: SendRequest<Bytes>,
        subject: String,
    ) -> Result<(), String> {
        let in_words = |error: h2::Error| error.to_string();
        let message = api::WatchEventsRequest { since: None, subject };
        let body = frame::encode(&message).map_err(|bytes| format!("{bytes} bytes"))?;
        let request =
            Request::post(format!("http://{address}/navarch.OperatorService/WatchEvents"))
                .header(header::CONTENT_TYPE, "application/grpc")
                .header(header::TE, "trailers")
                .body(())
                .map_err(|error| error.to_string())?;
        let mut calls = calls.ready().await.map_err(in_words)?;
        let (answer, mut sending) = calls.send_request(request, false).map_err(in_words)?;
        sending.send_data(body, true).map_err(in_words)?;
        let mut events = answer.await.map_err(in_words)?.into_body();
        self.open.fetch_add(1, Ordering::Relaxed);
        while let Some(data) = events.data().await {
            let data = data.map_err(in_words)?;
            self.told_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            events.flow_control().release_capacity(data.len()).map_err(in_words)?;
        }
        Err("a watch ended early".to_owned())
    }

    fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
