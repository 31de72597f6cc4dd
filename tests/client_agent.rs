//! The node agent against toy replicas.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod client_toy;

use std::{sync::Arc, time::Duration};

use client_toy::{Script, Toy};
use navarch::{
    agent::{Agent, AgentConfig, AgentError, Diagnostic, client_options, gpu::FakeGpus},
    client::Client,
};
use navarch_host::{Clock, FakeClock, SystemSpawner};
use navarch_proto::api::{
    CommandResult, HealthEvent, HealthEventType, HealthStatus, NodeCommand, NodeCommandType,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), AgentError>>,
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        let ended = Clock::system().timeout(Duration::from_secs(2), self.task).await;
        ended.expect("the agent did not stop within 2 s").unwrap().unwrap();
    }
}

fn start(toys: &[&Toy], config: AgentConfig, clock: Clock) -> Running {
    let endpoints: Vec<_> = toys.iter().map(|toy| toy.address.clone()).collect();
    let spawner = SystemSpawner::current();
    // Sockets take real time: a clock that leaps must not end a call that is under way.
    let options = client_options(Clock::system(), Arc::clone(&spawner));
    let client = Client::new(&endpoints, options).unwrap();
    let stop = CancellationToken::new();
    let agent = Agent::new(config, client, clock, spawner);
    let task = tokio::spawn(agent.run(stop.clone()));
    Running { stop, task }
}

fn command(id: &str, kind: NodeCommandType) -> NodeCommand {
    NodeCommand {
        command_id: id.to_owned(),
        r#type: kind.into(),
        parameters: [("name".to_owned(), "count".to_owned())].into(),
        issued_at: None,
    }
}

/// A diagnostic that leaves a line in a file each time it runs.
fn counting(directory: &tempfile::TempDir) -> (String, Diagnostic) {
    let script = directory.path().join("count.sh");
    let log = directory.path().join("count.log");
    let text = format!("echo ran >> {}\necho counted\n", log.display());
    std::fs::write(&script, text).unwrap();
    Diagnostic::parse(&format!("count=/bin/sh {}", script.display())).unwrap()
}

fn runs(directory: &tempfile::TempDir) -> usize {
    let log = std::fs::read_to_string(directory.path().join("count.log"));
    log.unwrap_or_default().lines().count()
}

/// Without it a node would be listed without what it is, or judged by figures that are made up.
#[tokio::test]
async fn registers_beats_and_reports_what_it_is() {
    let script = Script::new();
    let toy = Toy::start(&script);
    let gpus = Arc::new(FakeGpus::new("n1", 8));
    gpus.inject(HealthEvent {
        event_type: HealthEventType::Xid.into(),
        message: "XID 79".to_owned(),
        ..HealthEvent::default()
    });
    let config = AgentConfig {
        provider: "fake".to_owned(),
        pool: Some("training".to_owned()),
        labels: [("rack".to_owned(), "r7".to_owned())].into(),
        gpus,
        ..AgentConfig::new("n1")
    };
    let agent = start(&[&toy], config, Clock::system());
    script
        .until("a beat and both reports", |state| {
            !state.heartbeats.is_empty() && state.reports.len() == 2
        })
        .await;
    agent.end().await;
    let state = script.lock();
    let registration = &state.registrations[0];
    assert_eq!(registration.gpus.len(), 8);
    let metadata = registration.metadata.as_ref().unwrap();
    assert_eq!(metadata.labels["pool"], "training");
    assert_eq!(metadata.labels["rack"], "r7");
    assert_eq!(metadata.internal_ip, "127.0.0.1");
    assert!(!metadata.hostname.is_empty() && !metadata.kernel_version.is_empty());
    let metrics = state.heartbeats[0].metrics.as_ref().unwrap();
    assert_eq!(metrics.gpu_metrics.len(), 8);
    assert!(metrics.memory_usage_percent > 0.0);
    let [events, report] = &*state.reports else { panic!("{:?}", state.reports) };
    let checks: Vec<_> = report.results.iter().map(|check| &*check.check_name).collect();
    assert_eq!(checks, ["boot", "nvml", "xid"]);
    assert!(report.results.iter().all(|check| check.status() == HealthStatus::Healthy));
    assert_eq!(events.events[0].message, "XID 79", "what befell a GPU comes first");
}

/// Without it agents would beat too seldom and be lost, or too often and swamp the leader.
#[tokio::test(flavor = "current_thread")]
async fn beats_at_the_interval_it_is_told() {
    let script = Script::new();
    script.lock().heartbeat_interval = 10;
    let toy = Toy::start(&script);
    let fake = FakeClock::new(1_700_000_000_000);
    let agent = start(&[&toy], AgentConfig::new("n1"), Clock::fake(Arc::clone(&fake)));
    let beats = |count: usize| {
        let script = Arc::clone(&script);
        async move {
            script.until("the next beat", |state| state.heartbeats.len() >= count).await;
            // One too many would come within this time.
            Clock::system().sleep(Duration::from_millis(100)).await;
            assert_eq!(script.lock().heartbeats.len(), count);
        }
    };
    let seconds = Duration::from_secs;
    beats(1).await;
    // The second comes after half to all of the interval; then each interval brings one.
    fake.advance(seconds(10)).await;
    beats(2).await;
    for count in 3..6 {
        fake.advance(seconds(10)).await;
        beats(count).await;
    }
    script.lock().next_interval_ms = 60_000;
    fake.advance(seconds(10)).await;
    beats(6).await;
    fake.advance(seconds(49)).await;
    beats(6).await;
    fake.advance(seconds(11)).await;
    beats(7).await;
    agent.end().await;
}

/// Without it a group that lost a node's record would never hear of the node again.
#[tokio::test]
async fn registers_again_when_it_is_not_known_but_not_in_a_storm() {
    let script = Script::new();
    script.lock().heartbeat_interval = 1;
    let toy = Toy::start(&script);
    let agent = start(&[&toy], AgentConfig::new("n1"), Clock::system());
    script.until("a beat", |state| !state.heartbeats.is_empty()).await;
    script.lock().nodes.clear();
    let beats = script.lock().heartbeats.len();
    script.until("a beat of the node anew", |state| state.heartbeats.len() > beats).await;
    Clock::system().sleep(Duration::from_millis(1_200)).await;
    agent.end().await;
    assert_eq!(script.lock().registrations.len(), 2);
}

/// Without it a node would keep a wrong token to itself and look like one that is down.
#[tokio::test]
async fn ends_when_it_may_not_register_and_waits_for_all_else() {
    let script = Script::new();
    let toy = Toy::start(&script);
    let refused = Status::unauthenticated("wrong token");
    script.lock().errors.push_back((toy.address.clone(), refused));
    let agent = start(&[&toy], AgentConfig::new("n1"), Clock::system());
    let error = agent.task.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("wrong token"), "{error}");
    let busy = Status::failed_precondition("the instance is terminating");
    script.lock().errors.push_back((toy.address.clone(), busy));
    let agent = start(&[&toy], AgentConfig::new("n1"), Clock::system());
    script.until("a registration", |state| !state.registrations.is_empty()).await;
    agent.end().await;
    let nameless = start(&[&toy], AgentConfig::new(""), Clock::system());
    assert!(matches!(nameless.task.await.unwrap(), Err(AgentError::NoNodeId)));
}

/// Without it a lost acknowledgement would run a diagnostic, or something worse, a second time.
#[tokio::test]
async fn a_command_delivered_twice_runs_once() {
    let directory = tempfile::tempdir().unwrap();
    let script = Script::new();
    let toy = Toy::start(&script);
    script.lock().lose_acknowledgements = 1;
    script.lock().commands =
        vec![command("c1", NodeCommandType::RunDiagnostic), command("c2", NodeCommandType::Cordon)];
    let config =
        AgentConfig { diagnostics: [counting(&directory)].into(), ..AgentConfig::new("n1") };
    let agent = start(&[&toy], config, Clock::system());
    script.until("both acknowledged", |state| state.acknowledged.len() == 2).await;
    agent.end().await;
    assert_eq!(runs(&directory), 1);
    assert!(script.count("", "PollCommands") >= 2);
    let state = script.lock();
    let (id, result, output, _) = &state.acknowledged[0];
    assert_eq!((&**id, &**output), ("c1", "counted\n"));
    assert_eq!(*result, i32::from(CommandResult::Succeeded));
    let (id, result, _, error) = &state.acknowledged[1];
    assert_eq!((&**id, *result), ("c2", i32::from(CommandResult::Failed)));
    assert!(error.contains("control plane"), "{error}");
}

/// Without it a restart between execution and acknowledgement would run the command again.
#[tokio::test]
async fn a_restarted_agent_answers_from_its_state_directory() {
    let directory = tempfile::tempdir().unwrap();
    let script = Script::new();
    let toy = Toy::start(&script);
    script.lock().commands = vec![command("c1", NodeCommandType::RunDiagnostic)];
    script.lock().lose_acknowledgements = usize::MAX;
    let config = AgentConfig {
        diagnostics: [counting(&directory)].into(),
        state_dir: Some(directory.path().join("state")),
        ..AgentConfig::new("n1")
    };
    let agent = start(&[&toy], config.clone(), Clock::system());
    script.until("an acknowledgement lost", |state| state.lose_acknowledgements < usize::MAX).await;
    agent.end().await;
    script.lock().lose_acknowledgements = 0;
    let agent = start(&[&toy], config, Clock::system());
    script.until("acknowledged", |state| state.acknowledged.len() == 1).await;
    agent.end().await;
    assert_eq!(runs(&directory), 1);
    assert_eq!(script.lock().acknowledged[0].2, "counted\n");
}

/// Without it whoever may issue commands could start any program on every node.
#[tokio::test]
async fn only_allowed_diagnostics_run() {
    let directory = tempfile::tempdir().unwrap();
    let script = Script::new();
    let toy = Toy::start(&script);
    script.lock().commands = vec![command("c1", NodeCommandType::RunDiagnostic)];
    let agent = start(&[&toy], AgentConfig::new("n1"), Clock::system());
    script.until("refused", |state| state.acknowledged.len() == 1).await;
    agent.end().await;
    let (_, other) = counting(&directory);
    script.lock().commands = vec![command("c2", NodeCommandType::RunDiagnostic)];
    let config =
        AgentConfig { diagnostics: [("other".to_owned(), other)].into(), ..AgentConfig::new("n1") };
    let agent = start(&[&toy], config, Clock::system());
    script.until("refused", |state| state.acknowledged.len() == 2).await;
    agent.end().await;
    assert_eq!(runs(&directory), 0);
    let state = script.lock();
    assert!(state.acknowledged[0].3.contains("--diagnostic"));
    assert!(state.acknowledged[1].3.contains("other"));
}

/// Without it a node that is to go would keep beating, or go without saying so.
#[tokio::test]
async fn terminate_is_acknowledged_and_ends_the_agent() {
    let script = Script::new();
    let toy = Toy::start(&script);
    let agent = start(&[&toy], AgentConfig::new("n1"), Clock::system());
    script.until("a beat", |state| !state.heartbeats.is_empty()).await;
    script.lock().commands = vec![command("c1", NodeCommandType::Terminate)];
    script.queued.notify_waiters();
    let ended = Clock::system().timeout(Duration::from_secs(10), agent.task).await;
    ended.unwrap().unwrap().unwrap();
    assert!(!agent.stop.is_cancelled());
    assert_eq!(script.lock().acknowledged[0].1, i32::from(CommandResult::Succeeded));
}

/// Without it the death of an agent's replica would be the loss of its node.
#[tokio::test]
async fn beats_go_on_through_another_replica() {
    let script = Script::new();
    script.lock().heartbeat_interval = 1;
    let mut toys: Vec<_> = (0..3).map(|_| Toy::start(&script)).collect();
    let agent = start(&toys.iter().collect::<Vec<_>>(), AgentConfig::new("n1"), Clock::system());
    script.until("a beat", |state| !state.heartbeats.is_empty()).await;
    let home = script.lock().calls[0].replica.clone();
    let index = toys.iter().position(|toy| toy.address == home).unwrap();
    toys.remove(index).kill();
    let beats = script.lock().heartbeats.len();
    script.until("beats elsewhere", |state| state.heartbeats.len() >= beats + 2).await;
    agent.end().await;
    assert_eq!(script.lock().registrations.len(), 1);
}
