use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use navarch::{
    fake_cloud::{Controls, FakeCloud, FakeCloudError, FakeCloudOptions},
    provider::{
        Order, OrderSpec,
        fake::CloudOptions,
        http::{HttpOptions, HttpProvider},
        labels,
    },
};
use navarch_host::{Clock, FakeClock, SystemSpawner, TaskHandle};
use reqwest::{Client, Method, Response, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The fake clock's start: 2026-01-01T00:00:00Z.
pub(crate) const START_MS: u64 = 1_767_225_600_000;

/// A running fake cloud on a fake clock, and a client of it.
pub(crate) struct Cloud {
    pub(crate) url: String,
    pub(crate) time: Arc<FakeClock>,
    pub(crate) clock: Clock,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) client: Client,
    pub(crate) controls: Controls,
    stop: CancellationToken,
    task: TaskHandle,
    ended: oneshot::Receiver<Result<(), FakeCloudError>>,
}

/// Machines boot in 2 s and end in 1 s.
pub(crate) fn cloud_options() -> CloudOptions {
    CloudOptions {
        boot_delay: Duration::from_secs(2),
        shutdown_delay: Duration::from_secs(1),
        ..CloudOptions::default()
    }
}

pub(crate) fn http_client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

pub(crate) fn ledger_path(folder: &TempDir) -> PathBuf {
    folder.path().join("ledger")
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut FakeCloudOptions)) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        Self::start_in(folder, FakeClock::new(START_MS), change).await
    }

    pub(crate) async fn start_in(
        folder: Arc<TempDir>,
        time: Arc<FakeClock>,
        change: impl FnOnce(&mut FakeCloudOptions),
    ) -> Self {
        let mut options = FakeCloudOptions::new("127.0.0.1:0", ledger_path(&folder));
        options.cloud = cloud_options();
        change(&mut options);
        let clock = Clock::fake(Arc::clone(&time));
        let cloud =
            FakeCloud::start(options, clock.clone(), SystemSpawner::current()).await.unwrap();
        let url = format!("http://{}", cloud.address());
        let (controls, stop) = (cloud.controls(), CancellationToken::new());
        let (sender, ended) = oneshot::channel();
        let stopped = stop.clone();
        let task = SystemSpawner::current().spawn("fake-cloud", async move {
            let _ = sender.send(cloud.run(stopped).await);
        });
        Self { url, time, clock, folder, client: http_client(), controls, stop, task, ended }
    }

    /// Stops it in good order, and gives back what the next one starts with.
    pub(crate) async fn stop(self) -> (Arc<TempDir>, Arc<FakeClock>) {
        // Connections that idle would hold the stop up.
        drop(self.client);
        self.stop.cancel();
        let time = Arc::clone(&self.time);
        let ended = passing(&time, self.ended).await;
        ended.unwrap().unwrap();
        self.task.join().await;
        (self.folder, self.time)
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.body(body).send().await.unwrap()).await
    }

    pub(crate) async fn order(&self, key: &str, body: &Value) -> Answer {
        let headers = [("idempotency-key", key), ("navarch-session", "7")];
        self.send(Method::POST, "/v1/instances", &headers, body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn delete(&self, id: &str) -> Answer {
        let headers = [("navarch-session", "8")];
        self.send(Method::DELETE, &format!("/v1/instances/{id}"), &headers, "").await
    }

    pub(crate) async fn faults(&self, plan: Value) -> Answer {
        self.send(Method::PUT, "/v1/faults", &[], plan.to_string()).await
    }

    pub(crate) async fn ledger(&self) -> Vec<Value> {
        let answer = self.get("/v1/ledger").await;
        assert_eq!(answer.status, 200);
        lines(&answer.text)
    }

    pub(crate) fn provider(&self) -> HttpProvider {
        HttpProvider::new(HttpOptions::new(&self.url, self.clock.clone())).unwrap()
    }
}

pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let status: StatusCode = response.status();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        Self {
            status: status.as_u16(),
            headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// Status and error code.
    pub(crate) fn error(&self) -> (u16, &str) {
        let code = self.json["error"]["code"].as_str().unwrap_or("");
        assert!(code.is_empty() || self.json["error"]["message"].is_string());
        (self.status, code)
    }

    pub(crate) fn id(&self) -> String {
        self.json["id"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn spec(pool: &str, instance_type: &str) -> OrderSpec {
    OrderSpec {
        name: "name".into(),
        instance_type: instance_type.into(),
        region: "eu".into(),
        zone: "eu-a".into(),
        labels: BTreeMap::from([
            (labels::POOL.to_owned(), pool.to_owned()),
            (labels::CLUSTER.to_owned(), "c".to_owned()),
        ]),
        ..OrderSpec::default()
    }
}

pub(crate) fn body(pool: &str, instance_type: &str) -> Value {
    json!(spec(pool, instance_type))
}

pub(crate) fn order(id: &str, pool: &str) -> Order {
    Order::new(id, &spec(pool, "l4-1x"))
}

/// Runs `future` while time passes quickly: a minute in about a second, so that what waits for a delay gets it.
pub(crate) async fn passing<F: Future>(time: &FakeClock, future: F) -> F::Output {
    let real = Clock::system();
    let mut future = std::pin::pin!(future);
    loop {
        tokio::select! {
            biased;
            output = &mut future => return output,
            () = real.sleep(Duration::from_millis(2)) => {
                time.advance(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Waits until `condition` holds, while time passes; fails after a minute of the real clock.
pub(crate) async fn eventually(time: &FakeClock, mut condition: impl AsyncFnMut() -> bool) {
    let until_it_holds = async {
        while !condition().await {
            Clock::system().sleep(Duration::from_millis(5)).await;
        }
    };
    let limit = Duration::from_secs(60);
    let held = Clock::system().timeout(limit, passing(time, until_it_holds)).await;
    held.expect("the condition holds within a minute");
}
