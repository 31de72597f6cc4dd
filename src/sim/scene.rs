use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use navarch_cluster::ReplicaId;
use navarch_fleet::{FleetState, LogTime, Node};
use navarch_host::{Chance, Clock, FakeClock, SystemSpawner};
use navarch_proto::{
    api::{FleetEvent, NodeMetrics, RegisterNodeRequest, ReportHealthRequest},
    fleet::{ApplyFleetSpec, ClearLost, FleetSpec, RegisterNode, proposal::Kind},
};
use tokio_util::sync::CancellationToken;

use super::{
    agents::{Agents, Booter, Word},
    bills::Bills,
    cloud::{Cloud, Surroundings},
    error::SimError,
    scenario::Scenario,
    snapshot::{PoolLook, Snapshot},
    stage::Stage,
    step::Step,
};
use crate::{
    controllers::{self, ControllerParts, Notifiers, Providers},
    health::Judge,
    leader::{Leader, LeaderParts, Reports},
    ledger::{Author, Committed, FleetMachine, Ledger, LocalGroup, ProposeError},
    liveness::{Liveness, interval_hint_ms},
    metrics_source::{Heartbeats, Pushed, Sources},
    notify::{Channels, Observers},
    provider::Provider,
    scaling::Autoscalers,
};

/// How often agents get to speak, in milliseconds.
const TICK_MS: u64 = 1_000;
/// No wake-up here sets off a longer chain of others.
const YIELDS_PER_STEP: usize = 16;
/// How long a proposal may take; here none waits.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Events read at once.
const EVENTS_AT_ONCE: usize = 100_000;

/// A replica's control plane in this process, on a clock that only the scene moves, with clouds and agents.
pub(super) struct Scene {
    time: Arc<FakeClock>,
    pub(super) ledger: Ledger,
    liveness: Arc<Liveness>,
    pub(super) agents: Arc<Agents>,
    pub(super) clouds: BTreeMap<String, Arc<Cloud>>,
    bills: Arc<Bills>,
    judge: Judge,
    /// Draws which nodes a step applies to.
    pub(super) chance: Chance,
    start_ms: u64,
    now_ms: u64,
    stop: CancellationToken,
}

impl Scene {
    /// A leader with the scenario's first configuration and no machine yet. Runs on the runtime of the caller, which
    /// must be one of a single thread for the same scenario to be played the same again.
    pub(super) async fn start(scenario: &Scenario) -> Result<Self, SimError> {
        let time = FakeClock::settling(scenario.start_ms, YIELDS_PER_STEP);
        let clock = Clock::fake(Arc::clone(&time));
        let (machine, views) = FleetMachine::new();
        let group = LocalGroup::new(Box::new(machine), 1, clock.clone());
        let ledger = Ledger::new(group.replica(ReplicaId(1)), views, clock.clone());
        // Each with draws of its own, so that one more draw here changes nothing there.
        let chance = |place: u64| Chance::seeded(scenario.seed.wrapping_mul(8).wrapping_add(place));
        let agents = Agents::new(chance(0));
        let around = Surroundings {
            clock: clock.clone(),
            spawner: SystemSpawner::current(),
            booter: Arc::new(Booter(Arc::clone(&agents))),
            bills: Arc::default(),
        };
        let scene = Self {
            time,
            ledger,
            liveness: Arc::default(),
            agents,
            clouds: clouds(scenario, &around),
            bills: Arc::clone(&around.bills),
            judge: Judge::default(),
            chance: chance(1),
            start_ms: scenario.start_ms,
            now_ms: 0,
            stop: CancellationToken::new(),
        };
        scene.lead(&around, chance(2));
        group.elect(Some(ReplicaId(1)));
        scene.time.advance(Duration::ZERO).await;
        scene.apply(&scenario.config.fleet, false).await?;
        Ok(scene)
    }

    /// Starts what runs on a leader.
    fn lead(&self, around: &Surroundings, chance: Chance) {
        let known = self.clouds.clone();
        let build: controllers::Build = Box::new(move |spec| {
            let cloud = known.get(&spec.name).ok_or("there is no such simulated cloud")?;
            Ok(Arc::clone(cloud) as Arc<dyn Provider>)
        });
        let providers = Providers::built_by(build, "simulation".to_owned(), around.clock.clone());
        let liveness = Arc::clone(&self.liveness);
        let providers = Arc::new(providers.with_chance(chance));
        // What was reported and what agents tell; a Prometheus server is none of the simulation.
        let metrics = Sources::new(around.clock.clone())
            .with(Arc::new(Pushed::default()))
            .with(Arc::new(Heartbeats::new(Arc::clone(&liveness))));
        let metrics = Arc::new(metrics);
        let parts = ControllerParts {
            liveness: Arc::clone(&liveness),
            providers,
            metrics,
            autoscalers: Autoscalers::default(),
            // A real workload system must not hear of simulated nodes: whatever is configured, drains end at once.
            notifiers: Arc::new(Notifiers::built_by(Box::new(|_| Ok(Channels::noop())))),
            observers: Observers::default(),
        };
        let parts = LeaderParts {
            ledger: self.ledger.clone(),
            liveness,
            controllers: Arc::new(move || controllers::all(&parts)),
            reports: Reports::default(),
            spawner: Arc::clone(&around.spawner),
            name: "simulation".to_owned(),
            half_lease: Duration::from_millis(300),
        };
        let leader = Leader::new(parts, "simulation".to_owned());
        around.spawner.spawn("leader", leader.run(self.stop.clone()));
    }

    pub(super) fn fleet(&self) -> Arc<FleetState> {
        self.ledger.view().fleet
    }

    /// As an operator.
    pub(super) async fn propose(&self, kind: Kind) -> Result<Committed, ProposeError> {
        self.propose_as(kind, "operator".to_owned()).await
    }

    async fn propose_as(&self, kind: Kind, actor: String) -> Result<Committed, ProposeError> {
        let deadline = self.ledger.clock().now() + PROPOSE_TIMEOUT;
        self.ledger.propose(kind, &Author::caller(actor), deadline).await
    }

    pub(super) async fn apply(&self, spec: &FleetSpec, force: bool) -> Result<(), SimError> {
        let spec = Some(spec.clone());
        let apply = ApplyFleetSpec { spec, force, ..ApplyFleetSpec::default() };
        self.propose(Kind::ApplyFleetSpec(apply)).await?;
        Ok(())
    }

    /// Lets every agent say what it has to say by now.
    async fn let_agents_speak(&self) -> Result<(), SimError> {
        let fleet = self.fleet();
        let (settings, nodes) = (Arc::clone(fleet.settings()), fleet.node_count());
        let interval_ms = interval_hint_ms(&settings, nodes);
        let now_ms = self.ledger.clock().wall_ms();
        for word in self.agents.speak(&settings, interval_ms, now_ms) {
            match word {
                Word::Register(request) => self.register(*request).await,
                Word::Beat(id, metrics) => self.beat(&id, &metrics, interval_ms).await?,
                Word::Report(report) => self.report(report).await?,
            }
        }
        Ok(())
    }

    /// A registration that is refused is tried again.
    async fn register(&self, request: RegisterNodeRequest) {
        let id = request.node_id.clone();
        let register = RegisterNode { request: Some(request), ..RegisterNode::default() };
        match self.propose_as(Kind::RegisterNode(register), format!("agent:{id}")).await {
            Ok(_) => {
                let now_ms = self.ledger.clock().wall_ms();
                self.agents.registered(&id, self.fleet().settings(), now_ms);
            }
            Err(error) => tracing::debug!(node = id, %error, "not registered"),
        }
    }

    async fn beat(
        &self,
        id: &str,
        metrics: &NodeMetrics,
        interval_ms: u32,
    ) -> Result<(), SimError> {
        let fleet = self.fleet();
        let Some(node) = fleet.node(id) else { return Ok(()) };
        let seen_ms = self.ledger.log_time_ms();
        self.liveness.beat(node.number, seen_ms, Some(metrics), interval_ms);
        if node.is_lost() {
            let clear = ClearLost { node_id: id.to_owned(), seen_ms };
            self.propose_as(Kind::ClearLost(clear), format!("agent:{id}")).await?;
        }
        Ok(())
    }

    async fn report(&self, report: ReportHealthRequest) -> Result<(), SimError> {
        let fleet = self.fleet();
        let Some(node) = fleet.node(&report.node_id) else { return Ok(()) };
        let now_ms = self.ledger.log_time_ms();
        // Agents in a simulation send each report once.
        let request_id = now_ms.to_string();
        let came = (LogTime::from_ms(now_ms), request_id.as_str());
        let verdict = self.judge.judge(&fleet, &report, came).await?;
        let verdict = verdict.proposal(&fleet, node, String::new());
        let actor = format!("agent:{}", report.node_id);
        if let Err(error) = self.propose_as(Kind::RecordVerdict(verdict), actor).await {
            tracing::debug!(node = report.node_id, %error, "a report was refused");
        }
        Ok(())
    }

    /// Mean utilisation of the nodes of a pool that tell theirs.
    fn utilization<'a>(
        &self,
        fleet: &FleetState,
        nodes: impl Iterator<Item = &'a Arc<Node>>,
    ) -> Option<f64> {
        let told = |node: &'a Arc<Node>| self.liveness.last_seen(fleet, node.number)?.utilization;
        let (sum, count) = nodes
            .filter_map(told)
            .fold((0.0, 0_u32), |(sum, count), one| (sum + f64::from(one), count + 1));
        (count > 0).then(|| sum / f64::from(count))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A cloud for each provider of any configuration.
fn clouds(scenario: &Scenario, around: &Surroundings) -> BTreeMap<String, Arc<Cloud>> {
    let configurations = scenario.configurations();
    let specs = configurations.iter().flat_map(|config| &config.fleet.providers);
    let cloud = |spec: &navarch_proto::fleet::ProviderSpec| {
        let plan = scenario.clouds.get(&spec.name).cloned().unwrap_or_default();
        let cloud = Cloud::new(&spec.name, &plan, spec.gpu_count, around);
        (spec.name.clone(), Arc::new(cloud))
    };
    specs.map(cloud).collect()
}

#[async_trait]
impl Stage for Scene {
    async fn pass_until(&mut self, at_ms: u64) -> Result<(), SimError> {
        while self.now_ms < at_ms {
            let tick = TICK_MS.min(at_ms - self.now_ms);
            self.time.advance(Duration::from_millis(tick)).await;
            self.now_ms += tick;
            self.let_agents_speak().await?;
        }
        // What they said is heeded now, not at the next tick.
        self.time.advance(Duration::ZERO).await;
        Ok(())
    }

    async fn perform(&mut self, step: &Step) -> Result<String, SimError> {
        let done = self.act(step).await;
        self.time.advance(Duration::ZERO).await;
        done.map_err(|reason| SimError::Step { step: step.to_string(), reason })
    }

    async fn look(&mut self) -> Result<Snapshot, SimError> {
        let fleet = self.fleet();
        let total = self.bills.total(self.start_ms + self.now_ms);
        let look = |pool: &Arc<navarch_fleet::Pool>| {
            let info = fleet.pool_info(pool);
            let utilization = self.utilization(&fleet, fleet.nodes_in_pool(&info.name));
            let look = PoolLook {
                target: info.target,
                size: info.size,
                healthy: info.healthy_nodes,
                utilization,
                peak: total.peaks.get(&info.name).copied().unwrap_or(0),
            };
            (info.name, look)
        };
        Ok(Snapshot {
            pools: fleet.pools().map(look).collect(),
            machines: total.machines,
            bought: total.bought,
            spending: total.spending,
            bought_twice: total.bought_twice,
        })
    }

    async fn events_since(&mut self, index: u64) -> Result<Vec<FleetEvent>, SimError> {
        let fleet = self.fleet();
        let events = fleet.events_since(index, EVENTS_AT_ONCE);
        Ok(events.map(|event| FleetEvent::clone(event)).collect())
    }
}
