//! The Prometheus source against servers: canned ones that answer garbage, and a real one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod garbage;
mod process;
mod real;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use navarch::{
    metrics_source::{Environment, Figure, Figures, MetricsSource as _, Prometheus, Question},
    scaling::Needs,
};
use navarch_fleet::FleetState;
use navarch_host::{Clock, SystemSpawner, TaskHandle};
use navarch_proto::fleet::{PoolMetricsSpec, PoolSpec, PrometheusSpec};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// LogTime of the first question, and the interval of a fleet that configures none.
const START_MS: u64 = 1_700_000_000_000;
const INTERVAL_MS: u64 = 30_000;

const ALL: Needs =
    Needs { utilization: true, history: true, pending_jobs: true, queue_depth: true };

/// A source, and a pool that asks it.
struct Bench {
    source: Prometheus,
    pool: PoolSpec,
    fleet: FleetState,
}

impl Bench {
    /// The three queries are the figures' names.
    fn new(url: &str) -> Self {
        let environment: Environment =
            Arc::new(|name| (name == "PROMETHEUS_TOKEN").then(|| "secret".to_owned()));
        let prometheus = PrometheusSpec {
            url: url.to_owned(),
            utilization_query: "utilization".to_owned(),
            pending_jobs_query: "pending_jobs".to_owned(),
            queue_depth_query: "queue_depth".to_owned(),
            timeout_ms: 5_000,
            token_env: String::new(),
        };
        let metrics =
            PoolMetricsSpec { prometheus: Some(prometheus), ..PoolMetricsSpec::default() };
        Self {
            source: Prometheus::new(Clock::system(), SystemSpawner::current(), environment),
            pool: PoolSpec { name: "a".to_owned(), metrics: Some(metrics), ..PoolSpec::default() },
            fleet: FleetState::default(),
        }
    }

    fn spec(&mut self) -> &mut PrometheusSpec {
        self.pool.metrics.as_mut().unwrap().prometheus.as_mut().unwrap()
    }

    async fn ask(&self, needs: Needs, now_ms: u64) -> Figures {
        let question = Question { fleet: &self.fleet, pool: &self.pool, needs, now_ms };
        self.source.figures(question).await
    }

    async fn queue_depth(&self, now_ms: u64) -> Figure<u32> {
        let needs = Needs { queue_depth: true, ..Needs::default() };
        self.ask(needs, now_ms).await.queue_depth
    }
}

/// A server that says the same to everybody and keeps what it was asked.
struct Canned {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicUsize>,
    task: TaskHandle,
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Canned {
    /// Answers with that HTTP answer; an empty one is silence.
    async fn start(answer: impl Into<String>) -> Self {
        let (listener, answer) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), answer.into());
        let port = listener.local_addr().unwrap().port();
        let (requests, open) =
            (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (kept, counted) = (Arc::clone(&requests), Arc::clone(&open));
        let spawner = SystemSpawner::current();
        let connections = Arc::clone(&spawner);
        let task = spawner.spawn("canned", async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answer, kept, open) =
                    (answer.clone(), Arc::clone(&kept), Arc::clone(&counted));
                connections.spawn("connection", async move {
                    open.fetch_add(1, Ordering::Relaxed);
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { break };
                        request.push(byte);
                    }
                    kept.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                    if answer.is_empty() {
                        // Until the client gives up.
                        let _ = stream.read_u8().await;
                    } else {
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { port, requests, open, task }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// An HTTP answer with that body.
fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// What an instant query answers that has one series.
fn one_series(value: &str) -> String {
    let series = format!(r#"{{"metric":{{}},"value":[1700000000,"{value}"]}}"#);
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#)
}

/// Says that a test was not made, past the test harness, which would swallow it.
fn skip(reason: &str) {
    use std::io::Write as _;
    // Where stderr is closed nobody reads it.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
}
