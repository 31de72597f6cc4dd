//! Health events of the node agent on their way to toy replicas.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod client_toy;

use std::{collections::BTreeSet, fs, io::Write as _, path::Path, sync::Arc, time::Duration};

use client_toy::{Script, State, Toy};
use navarch::{
    agent::{Agent, AgentConfig, AgentError, client_options, gpu::FakeGpus},
    client::Client,
};
use navarch_host::{Clock, SystemSpawner};
use navarch_proto::api::{HealthEvent, HealthEventType, HealthStatus};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), AgentError>>,
}

impl Running {
    fn start(toy: &Toy, config: AgentConfig) -> Self {
        let (clock, spawner) = (Clock::system(), SystemSpawner::current());
        let options = client_options(clock.clone(), Arc::clone(&spawner));
        let client = Client::new(std::slice::from_ref(&toy.address), options).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(Agent::new(config, client, clock, spawner).run(stop.clone()));
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn xid(code: u32) -> HealthEvent {
    HealthEvent {
        event_type: HealthEventType::Xid.into(),
        message: format!("XID {code}"),
        metrics: [("xid_code".to_owned(), code.to_string())].into(),
        ..HealthEvent::default()
    }
}

fn with(gpus: &Arc<FakeGpus>, state: Option<&Path>) -> AgentConfig {
    let gpus = Arc::clone(gpus);
    let state_dir = state.map(Path::to_owned);
    AgentConfig { gpus, state_dir, ..AgentConfig::new("n1") }
}

fn told(state: &State) -> Vec<&HealthEvent> {
    state.reports.iter().flat_map(|report| &report.events).collect()
}

fn messages(state: &State) -> BTreeSet<&str> {
    told(state).into_iter().map(|event| event.message.as_str()).collect()
}

/// Without it an XID would wait for the next report of the checks, a minute or more, and jobs run on a broken GPU.
#[tokio::test]
async fn an_event_is_told_without_waiting_for_the_checks() {
    let script = Script::new();
    let toy = Toy::start(&script);
    let gpus = Arc::new(FakeGpus::new("n1", 8));
    let agent = Running::start(&toy, with(&gpus, None));
    script.until("the checks", |state| state.reports.len() == 1).await;
    [79, 31, 31].into_iter().for_each(|code| gpus.inject(xid(code)));
    script.until("the events", |state| told(state).len() == 3).await;
    agent.end().await;
    let state = script.lock();
    assert_eq!(state.reports.len(), 2, "they go together");
    assert!(state.reports[1].results.is_empty());
    let ids: BTreeSet<_> = told(&state).into_iter().map(|event| event.event_id.clone()).collect();
    assert_eq!(ids.len(), 3);
}

/// Without it a report whose answer was lost would count twice.
#[tokio::test]
async fn a_repeated_report_carries_the_same_events_under_the_same_id() {
    let script = Script::new();
    script.lock().heartbeat_interval = 1;
    let toy = Toy::start(&script);
    let gpus = Arc::new(FakeGpus::new("n1", 8));
    let agent = Running::start(&toy, with(&gpus, None));
    script.until("the checks", |state| state.reports.len() == 1).await;
    let before = script.count("", "ReportHealth");
    // Reports are refused until the node has registered again.
    script.lock().nodes.clear();
    gpus.inject(xid(79));
    let tries =
        |state: &State| state.calls.iter().filter(|call| call.method == "ReportHealth").count();
    script.until("a try", |state| tries(state) > before).await;
    gpus.inject(xid(31));
    script.until("all events", |state| told(state).len() == 2).await;
    agent.end().await;
    let state = script.lock();
    let reports = state.calls.iter().filter(|call| call.method == "ReportHealth").skip(before);
    let ids: Vec<_> = reports.map(|call| call.text("navarch-request-id")).collect();
    assert!(ids.len() > 2 && ids[0].starts_with("health-"), "{ids:?}");
    let distinct: BTreeSet<_> = ids.iter().collect();
    // The first batch until it is acknowledged, then the other event.
    assert_eq!(distinct.len(), 2, "{ids:?}");
    assert!(ids.is_sorted_by_key(|id| **id != *ids[0]), "{ids:?}");
}

/// Without it an outage of the group, or the end of an agent during one, would lose what was seen meanwhile.
#[tokio::test]
async fn events_outlive_an_outage_and_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    let state_dir = directory.path().join("state");
    let script = Script::new();
    let toy = Toy::start(&script);
    let gpus = Arc::new(FakeGpus::new("n1", 8));
    let agent = Running::start(&toy, with(&gpus, Some(&state_dir)));
    script.until("the checks", |state| state.reports.len() == 1).await;
    let address = toy.kill();
    gpus.inject(xid(79));
    gpus.inject(xid(48));
    let queue = state_dir.join("events.queue");
    let client = async {
        while fs::metadata(&queue).map_or(0, |queue| queue.len()) == 0 {
            Clock::system().sleep(Duration::from_millis(5)).await;
        }
    };
    Clock::system().timeout(Duration::from_secs(20), client).await.expect("written");
    agent.end().await;
    let toy = Toy::start_at(address, &script, None);
    let agent = Running::start(&toy, with(&gpus, Some(&state_dir)));
    script.until("the events", |state| messages(state).len() == 2).await;
    agent.end().await;
    assert_eq!(told(&script.lock()).len(), 2);
}

/// Without it an XID that the driver's events do not tell would be seen by nobody.
#[tokio::test]
async fn xids_of_the_kernel_log_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("kmsg");
    fs::write(&log, "3,1,1,-;NVRM: Xid (PCI:0000:04:00): 79, an old story\n").unwrap();
    let script = Script::new();
    let toy = Toy::start(&script);
    let gpus = Arc::new(FakeGpus::new("n1", 8));
    let config = AgentConfig { kernel_log: Some(log.clone()), ..with(&gpus, None) };
    let agent = Running::start(&toy, config);
    let watched = |state: &State| {
        let results = state.reports.iter().flat_map(|report| &report.results);
        results.filter(|check| check.check_name == "xid").count() > 0
    };
    script.until("the checks", watched).await;
    // By now the log has been opened, or is: wait until what is new is news.
    Clock::system().sleep(Duration::from_millis(500)).await;
    let line = "3,2,2,-;NVRM: Xid (PCI:0000:04:00): 94, pid=7, name=job, Contained: SM (0x1)\n";
    fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(line.as_bytes()).unwrap();
    script.until("the XID", |state| !told(state).is_empty()).await;
    agent.end().await;
    let state = script.lock();
    let event = told(&state)[0];
    assert_eq!((event.gpu_index, &*event.gpu_uuid), (3, "GPU-fake-n1-3"));
    assert_eq!(event.metrics["xid_code"], "94");
    let checks = state.reports.iter().flat_map(|report| &report.results);
    let statuses: BTreeSet<_> = checks.map(|check| check.status).collect();
    assert_eq!(statuses, [i32::from(HealthStatus::Healthy)].into());
}
