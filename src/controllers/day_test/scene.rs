//! Two replicas with everything that runs on a leader, a simulated cloud, and an agent on each machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use navarch_cluster::ReplicaId;
use navarch_fleet::FleetState;
use navarch_host::{Clock, FakeClock, SystemSpawner};
use navarch_proto::{
    api::{FleetEvent, GpuMetrics, NodeMetadata, NodeMetrics, RegisterNodeRequest},
    fleet::{ApplyFleetSpec, ClearLost, FleetSpec, RegisterNode, proposal::Kind},
};
use tokio_util::sync::CancellationToken;

use crate::{
    controllers::{self, ControllerParts, Providers, testing_workloads::ScriptedWorkloads},
    leader::{Leader, LeaderParts, Reports},
    ledger::{
        Author, Committed, Ledger, ProposeError,
        testing::{START_MS, TestGroup, propose},
    },
    liveness::Liveness,
    metrics_source::{Heartbeats, Sources},
    notify::Observers,
    provider::{
        Machine, Provider,
        fake::{AgentBooter, AgentHandle, CloudOptions, FakeProvider},
        labels,
    },
    scaling::Autoscalers,
};

/// How often agents beat.
pub(super) const BEAT: Duration = Duration::from_millis(BEAT_MS);
pub(super) const BEAT_MS: u64 = 30_000;

/// No wake-up here sets off a longer chain of others.
const YIELDS_PER_STEP: usize = 16;

pub(super) struct Scene {
    pub(super) group: TestGroup,
    replicas: Arc<Vec<Replica>>,
    pub(super) behaviour: Arc<Behaviour>,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Replica {
    ledger: Ledger,
    liveness: Arc<Liveness>,
    reports: Reports,
}

/// What agents do, by pool.
#[derive(Default)]
pub(super) struct Behaviour {
    /// Machines that run and never register.
    pub(super) dumb_pools: Mutex<BTreeSet<String>>,
    /// Nodes that fell silent.
    pub(super) silent: Mutex<BTreeSet<String>>,
    /// GPU utilisation of a pool's nodes; 50 % where nothing is said.
    pub(super) load: Mutex<BTreeMap<String, f64>>,
}

impl Scene {
    /// Replica 1 leads, and `spec` is applied. `capacity` is what the cloud has of scarce types.
    pub(super) async fn start(spec: FleetSpec, capacity: BTreeMap<String, u32>) -> Self {
        let group = TestGroup::on(FakeClock::settling(START_MS, YIELDS_PER_STEP));
        let replica = |id| Replica {
            ledger: group.ledger(id),
            liveness: Arc::default(),
            reports: Reports::default(),
        };
        let replicas: Arc<Vec<Replica>> = Arc::new([1, 2].map(replica).into());
        let behaviour = Arc::<Behaviour>::default();
        let booter = Booter {
            replicas: Arc::clone(&replicas),
            behaviour: Arc::clone(&behaviour),
            clock: group.clock.clone(),
        };
        let options = CloudOptions { capacity, ..CloudOptions::default() };
        let spawner = SystemSpawner::current();
        let cloud: Arc<dyn Provider> = Arc::new(FakeProvider::new(
            options,
            group.clock.clone(),
            Arc::clone(&spawner),
            Arc::new(booter),
        ));
        let workloads = Arc::new(ScriptedWorkloads::new(group.clock.clone()));
        let stop = CancellationToken::new();
        for (id, replica) in (1..).zip(&*replicas) {
            let cloud = Arc::clone(&cloud);
            let build: controllers::Build = Box::new(move |_| Ok(Arc::clone(&cloud)));
            let (id_of_cluster, clock) = ("cluster-1".to_owned(), group.clock.clone());
            let providers = Arc::new(Providers::built_by(build, id_of_cluster, clock));
            let liveness = Arc::clone(&replica.liveness);
            let heartbeats = Arc::new(Heartbeats::new(Arc::clone(&liveness)));
            let metrics = Arc::new(Sources::new(group.clock.clone()).with(heartbeats));
            let parts = ControllerParts {
                liveness: Arc::clone(&liveness),
                providers,
                metrics,
                autoscalers: Autoscalers::default(),
                notifiers: Arc::new(workloads.notifiers()),
                observers: Observers::default(),
            };
            let parts = LeaderParts {
                ledger: replica.ledger.clone(),
                liveness,
                controllers: Arc::new(move || controllers::all(&parts)),
                reports: replica.reports.clone(),
                spawner: Arc::clone(&spawner),
                name: format!("r{id}"),
                half_lease: Duration::from_millis(300),
            };
            tokio::spawn(Leader::new(parts, "boot".to_owned()).run(stop.clone()));
        }
        let scene = Self { group, replicas, behaviour, stop };
        scene.elect(Some(1)).await;
        scene.apply_spec(spec);
        scene
    }

    pub(super) fn apply_spec(&self, spec: FleetSpec) {
        let apply = ApplyFleetSpec { spec: Some(spec), ..ApplyFleetSpec::default() };
        self.propose(Kind::ApplyFleetSpec(apply)).unwrap();
    }

    /// Makes a replica lead, or none, and lets it open its session.
    pub(super) async fn elect(&self, leader: Option<u64>) {
        self.group.group.elect(leader.map(ReplicaId));
        self.group.advance(0).await;
    }

    pub(super) async fn sleep(&self, seconds: u64) {
        self.group.advance(seconds).await;
    }

    pub(super) fn fleet(&self) -> Arc<FleetState> {
        self.replicas[0].ledger.view().fleet
    }

    /// As an operator, at whoever leads.
    pub(super) fn propose(&self, kind: Kind) -> Result<Committed, ProposeError> {
        self.propose_as(kind, &Author::caller("operator"))
    }

    pub(super) fn propose_as(
        &self,
        kind: Kind,
        author: &Author,
    ) -> Result<Committed, ProposeError> {
        propose(&leading(&self.replicas).unwrap().ledger, kind, author)
    }

    pub(super) fn now_ms(&self) -> u64 {
        leading(&self.replicas).unwrap().ledger.log_time_ms()
    }

    /// The LogTimes of the events of a kind, in milliseconds, whose subject passes; oldest first.
    pub(super) fn times(&self, kind: &str, subject: impl Fn(&str) -> bool) -> Vec<u64> {
        let fleet = self.fleet();
        let events = fleet.events_since(0, usize::MAX);
        let these = events.filter(|event| event.kind == kind && subject(&event.subject));
        these.map(|event| time_ms(event)).collect()
    }

    /// The LogTimes at which a pool's target was moved by its strategy, in milliseconds, oldest first.
    pub(super) fn moves(&self, pool: &str) -> Vec<u64> {
        let fleet = self.fleet();
        let subject = format!("pool/{pool}");
        let moves = |event: &&Arc<navarch_proto::api::FleetEvent>| {
            let decided = event.kind == "pool-decided" && event.subject == subject;
            decided && event.changes.iter().any(|change| change.field == "target")
        };
        let events = fleet.events_since(0, usize::MAX);
        events.filter(moves).map(|event| time_ms(event)).collect()
    }

    /// The ids of a pool's nodes that are at work, by id.
    pub(super) fn nodes(&self, pool: &str) -> Vec<String> {
        let fleet = self.fleet();
        let live = |instance: &&Arc<navarch_fleet::Instance>| instance.is_live();
        let nodes = fleet.instances_in_pool(pool).filter(live);
        nodes.filter_map(|one| one.node_id.as_ref().map(ToString::to_string)).collect()
    }

    /// The last error of each controller of the present leader that had one.
    pub(super) fn complaints(&self) -> Vec<String> {
        let reports = leading(&self.replicas).unwrap().reports.all();
        let failed = reports.into_iter().filter(|report| report.failed > 0);
        failed.map(|report| format!("{}: {}", report.controller, report.last_error)).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(super) fn time_ms(event: &FleetEvent) -> u64 {
    let time = event.time.unwrap();
    u64::try_from(time.seconds * 1_000 + i64::from(time.nanos / 1_000_000)).unwrap()
}

fn leading(replicas: &[Replica]) -> Option<&Replica> {
    replicas.iter().find(|replica| replica.ledger.standing().session().is_some())
}

/// Starts an agent on each machine.
struct Booter {
    replicas: Arc<Vec<Replica>>,
    behaviour: Arc<Behaviour>,
    clock: Clock,
}

impl AgentBooter for Booter {
    fn boot(&self, machine: &Machine) -> AgentHandle {
        let stop = CancellationToken::new();
        let agent = Agent {
            node_id: machine.id.clone(),
            pool: machine.labels[labels::POOL].clone(),
            instance: machine.labels[labels::INSTANCE].clone(),
            replicas: Arc::clone(&self.replicas),
            behaviour: Arc::clone(&self.behaviour),
        };
        let (clock, stopped) = (self.clock.clone(), stop.clone());
        if !self.behaviour.dumb_pools.lock().unwrap().contains(&agent.pool) {
            tokio::spawn(stopped.run_until_cancelled_owned(agent.run(clock)));
        }
        AgentHandle::new(stop)
    }
}

struct Agent {
    node_id: String,
    pool: String,
    instance: String,
    replicas: Arc<Vec<Replica>>,
    behaviour: Arc<Behaviour>,
}

impl Agent {
    async fn run(self, clock: Clock) {
        while !self.register() {
            clock.sleep(Duration::from_secs(1)).await;
        }
        loop {
            if !self.behaviour.silent.lock().unwrap().contains(&self.node_id) {
                self.beat();
            }
            clock.sleep(BEAT).await;
        }
    }

    fn register(&self) -> bool {
        let Some(leader) = leading(&self.replicas) else { return false };
        let label = ("navarch.instance".to_owned(), self.instance.clone());
        let metadata = NodeMetadata { labels: [label].into(), ..NodeMetadata::default() };
        let request = RegisterNodeRequest {
            node_id: self.node_id.clone(),
            provider: "cloud".to_owned(),
            zone: "z1".to_owned(),
            metadata: Some(metadata),
            ..RegisterNodeRequest::default()
        };
        let register = RegisterNode { request: Some(request), ..RegisterNode::default() };
        let author = Author::caller(format!("agent:{}", self.node_id));
        propose(&leader.ledger, Kind::RegisterNode(register), &author).is_ok()
    }

    fn beat(&self) {
        let Some(leader) = leading(&self.replicas) else { return };
        let fleet = leader.ledger.view().fleet;
        let Some(node) = fleet.node(&self.node_id) else { return };
        let load = self.behaviour.load.lock().unwrap().get(&self.pool).copied().unwrap_or(50.0);
        let gpu = GpuMetrics { utilization_percent: load, ..GpuMetrics::default() };
        let metrics = NodeMetrics { gpu_metrics: vec![gpu], ..NodeMetrics::default() };
        let now_ms = leader.ledger.log_time_ms();
        leader.liveness.beat(node.number, now_ms, Some(&metrics), 30_000);
        if node.is_lost() {
            let clear = ClearLost { node_id: self.node_id.clone(), seen_ms: now_ms };
            let author = Author::caller(format!("agent:{}", self.node_id));
            propose(&leader.ledger, Kind::ClearLost(clear), &author).unwrap();
        }
    }
}
