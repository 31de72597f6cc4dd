//! Health events of the node agent on their way to toy replicas.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod client_toy;

use std::{
    collections::BTreeSet,
    fs, io,
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use client_toy::{Script, State, Toy};
use futures::future::BoxFuture;
use navarch::{
    agent::{
        Agent, AgentConfig, AgentError, client_options,
        gpu::{FakeGpus, GpuError, GpuNews, GpuReading, GpuSource, XidWatch},
    },
    client::Client,
};
use navarch_host::{Clock, Spawner, SystemSpawner, TaskHandle};
use navarch_proto::api::{GpuInfo, GpuMetrics, HealthEvent, HealthEventType, HealthStatus};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), AgentError>>,
}

impl Running {
    fn start(toy: &Toy, config: AgentConfig) -> Self {
        Self::start_on(SystemSpawner::current(), toy, config)
    }

    fn start_on(spawner: Arc<dyn Spawner>, toy: &Toy, config: AgentConfig) -> Self {
        Self::start_towards(&toy.address, spawner, config)
    }

    fn start_towards(address: &str, spawner: Arc<dyn Spawner>, config: AgentConfig) -> Self {
        let clock = Clock::system();
        let options = client_options(clock.clone(), Arc::clone(&spawner));
        let client = Client::new(&[address.to_owned()], options).unwrap();
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

/// Waits until there is something in the file of events.
async fn until_kept(state_dir: &Path) {
    let queue = state_dir.join("events.queue");
    let kept = async {
        while fs::metadata(&queue).map_or(0, |queue| queue.len()) == 0 {
            Clock::system().sleep(Duration::from_millis(5)).await;
        }
    };
    Clock::system().timeout(Duration::from_secs(20), kept).await.expect("written");
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
    until_kept(&state_dir).await;
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

/// Without it the checks that go with a repeated batch would be swallowed with it: the group knows its request id.
#[tokio::test]
async fn checks_are_not_swallowed_with_a_repeated_batch() {
    let script = Script::new();
    script.lock().check_interval = 1;
    let toy = Toy::start(&script);
    let gpus = Arc::new(FakeGpus::new("n1", 8));
    let agent = Running::start(&toy, with(&gpus, None));
    script.until("the checks", |state| !state.reports.is_empty()).await;
    // Each takes effect, and the agent hears of none for a while: the batch is repeated, with the checks of each round.
    script.lock().lose_reports = 6;
    gpus.inject(xid(79));
    let checks = |state: &State| {
        let results = state.reports.iter().map(|report| report.results.len());
        results.filter(|results| *results > 0).count()
    };
    script.until("the event", |state| !told(state).is_empty()).await;
    let before = checks(&script.lock());
    script.until("fresh checks", |state| state.lose_reports == 0 && checks(state) > before).await;
    agent.end().await;
    let state = script.lock();
    assert_eq!(told(&state).len(), 1);
    let repeated: Vec<_> = state.swallowed.iter().filter(|one| !one.events.is_empty()).collect();
    assert!(!repeated.is_empty(), "the batch was repeated");
    assert!(repeated.iter().all(|report| report.results.is_empty()), "{repeated:?}");
}

/// GPUs that only count errors.
struct Counting(Mutex<(u64, u64)>);

impl GpuSource for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn may_block(&self) -> bool {
        false
    }

    fn describe(&self) -> Result<Vec<GpuInfo>, GpuError> {
        Ok(vec![GpuInfo { uuid: "GPU-0".to_owned(), ..GpuInfo::default() }])
    }

    fn sample(&self) -> Result<Vec<GpuMetrics>, GpuError> {
        Ok(vec![GpuMetrics::default()])
    }

    fn take_news(&self) -> GpuNews {
        let (corrected, uncorrected) = *self.0.lock().unwrap();
        let reading = GpuReading {
            gpu_uuid: "GPU-0".to_owned(),
            corrected: Some(corrected),
            uncorrected: Some(uncorrected),
            ..GpuReading::default()
        };
        GpuNews { readings: vec![reading], ..GpuNews::default() }
    }

    fn xid_watch(&self) -> XidWatch {
        XidWatch::Watching
    }
}

/// Without it memory errors of the time in which no agent ran would be lost, or told again at every start.
#[tokio::test]
async fn memory_errors_of_the_time_between_two_agents_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let state_dir = directory.path().join("state");
    let script = Script::new();
    let toy = Toy::start(&script);
    let gpus = Arc::new(Counting(Mutex::new((700, 2))));
    let config = || {
        let (gpus, state_dir) = (Arc::clone(&gpus) as Arc<dyn GpuSource>, Some(state_dir.clone()));
        AgentConfig { gpus, state_dir, ..AgentConfig::new("n1") }
    };
    // Each is told within a second or so of the first reports; what must not be told would be by then.
    for (errors, expected) in [
        ((700, 2), &[][..]),
        ((712, 3), &[("ecc_dbe_count", "1"), ("ecc_sbe_count", "12")][..]),
        ((712, 3), &[][..]),
        // The driver was loaded anew.
        ((5, 0), &[("ecc_sbe_count", "5")][..]),
    ] {
        script.lock().reports.clear();
        *gpus.0.lock().unwrap() = errors;
        let agent = Running::start(&toy, config());
        script
            .until("the checks", |state| state.reports.iter().any(|one| !one.results.is_empty()))
            .await;
        script.until("the events", |state| told(state).len() >= expected.len()).await;
        agent.end().await;
        let state = script.lock();
        let metrics = told(&state).into_iter().flat_map(|event| &event.metrics);
        let metrics: Vec<_> = metrics.map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(metrics, expected, "{errors:?}");
    }
}

/// Without it what befalls the GPUs while a group is away at the start of an agent would be in memory alone.
#[tokio::test]
async fn events_are_kept_before_the_node_is_registered() {
    let directory = tempfile::tempdir().unwrap();
    let state_dir = directory.path().join("state");
    let script = Script::new();
    let address = Toy::start(&script).kill();
    let gpus = Arc::new(FakeGpus::new("n1", 8));
    let config = with(&gpus, Some(&state_dir));
    let agent = Running::start_towards(&address.to_string(), SystemSpawner::current(), config);
    gpus.inject(xid(79));
    until_kept(&state_dir).await;
    agent.end().await;
    let toy = Toy::start_at(address, &script, None);
    let fresh = Arc::new(FakeGpus::new("n1", 8));
    let agent = Running::start(&toy, with(&fresh, Some(&state_dir)));
    script.until("the event", |state| messages(state).len() == 1).await;
    agent.end().await;
}

/// Without it an agent that is stopped would take with it what it was told last.
#[tokio::test]
async fn what_is_seen_as_the_agent_stops_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let state_dir = directory.path().join("state");
    let script = Script::new();
    let toy = Toy::start(&script);
    for code in 1..=5 {
        let gpus = Arc::new(FakeGpus::new("n1", 8));
        let agent = Running::start(&toy, with(&gpus, Some(&state_dir)));
        let seen = usize::try_from(code).unwrap();
        script.until("an agent", |state| state.registrations.len() == seen).await;
        gpus.inject(xid(code));
        agent.end().await;
    }
    let none = Arc::new(FakeGpus::new("n1", 8));
    let agent = Running::start(&toy, with(&none, Some(&state_dir)));
    script.until("all events", |state| messages(state).len() == 5).await;
    agent.end().await;
}

/// Loses the thread that keeps health events.
struct Losing(Arc<dyn Spawner>);

impl Spawner for Losing {
    fn spawn_boxed(&self, name: &'static str, task: BoxFuture<'static, ()>) -> TaskHandle {
        self.0.spawn_boxed(name, task)
    }

    fn thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        match name {
            "health events" => Ok(()),
            _ => self.0.thread(name, body),
        }
    }

    fn runtime(&self, name: &str) -> io::Result<Arc<dyn Spawner>> {
        self.0.runtime(name)
    }
}

/// Without it an agent that can keep no event any more would run on and look well.
#[tokio::test]
async fn an_agent_that_cannot_keep_events_ends_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let script = Script::new();
    let toy = Toy::start(&script);
    let gpus = Arc::new(FakeGpus::new("n1", 8));
    let spawner = Arc::new(Losing(SystemSpawner::current()));
    let agent =
        Running::start_on(spawner, &toy, with(&gpus, Some(&directory.path().join("state"))));
    let ended = Clock::system().timeout(Duration::from_secs(20), agent.task).await;
    let error = ended.expect("it ends").unwrap().unwrap_err();
    assert!(matches!(error, AgentError::EventsNotKept), "{error}");
}
