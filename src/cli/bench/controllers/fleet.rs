use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt as _;
use navarch_cluster::ReplicaId;
use navarch_fleet::NodeNumber;
use navarch_host::{Clock, FakeClock};
use navarch_proto::{
    api::{GpuMetrics, NodeMetrics, RegisterNodeRequest},
    fleet::{
        ApplyFleetSpec, OpenSession, RecordPoolMetrics, RecordPurchase, RegisterNode,
        RequestInstance, ScalePool, proposal::Kind,
    },
};

use super::{
    listed_cloud::ListedCloud,
    spec::{INSTANCE_TYPE, JOBS_PER_NODE, PROVIDER, REGION, pool_name, spec},
};
use crate::{
    controllers::{self, ControllerParts, Notifiers, Providers},
    leader::{Controller, Tenure},
    ledger::{Author, FleetMachine, Ledger, LocalGroup, Standing},
    liveness::Liveness,
    metrics_source::{Heartbeats, Pushed, Sources},
    notify::{Channels, Observers},
    provider::{Machine, MachineState, Provider, labels},
    scaling::Autoscalers,
};

/// When the fleet's time begins: any plausible wall clock.
const START_MS: u64 = 1_750_000_000_000;
/// How long a proposal may take; here none waits.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long reported figures hold, in milliseconds: an hour.
const FIGURES_HOLD_MS: u64 = 3_600_000;
/// With this cluster id machines are labelled.
const CLUSTER: &str = "bench";
/// How busy each GPU is, in percent: neither strategy would change anything.
const BUSY: f64 = 50.0;
/// How often nodes beat, in milliseconds.
const INTERVAL_MS: u32 = 10_000;

/// A leader's fleet in this process, on a clock that only the benchmark moves.
pub(super) struct BenchFleet {
    pub(super) time: Arc<FakeClock>,
    pub(super) cloud: Arc<ListedCloud>,
    pub(super) tenure: Tenure,
    pub(super) controllers: Vec<Box<dyn Controller>>,
    ledger: Ledger,
    liveness: Arc<Liveness>,
    numbers: Vec<NodeNumber>,
}

impl BenchFleet {
    /// A fleet of `nodes` that run, spread evenly over `pools`.
    pub(super) fn build(nodes: usize, pools: usize) -> Result<Self, String> {
        let time = FakeClock::settling(START_MS, 1);
        let clock = Clock::fake(Arc::clone(&time));
        let (machine, views) = FleetMachine::new();
        let group = LocalGroup::new(Box::new(machine), 1, clock.clone());
        let ledger = Ledger::new(group.replica(ReplicaId(1)), views, clock.clone());
        group.elect(Some(ReplicaId(1)));
        let session = open_session(&ledger)?;
        let liveness = Arc::<Liveness>::default();
        liveness.open_session(ledger.log_time_ms());
        let cloud =
            Arc::new(ListedCloud::new((0..nodes).map(|one| machine_of(one, pools)).collect()));
        let parts = parts(&cloud, &liveness, &clock);
        let mut fleet = Self {
            time,
            cloud,
            tenure: Tenure::new(session, ledger.clone(), Duration::from_millis(300)),
            controllers: controllers::all(&parts),
            ledger,
            liveness,
            numbers: Vec::with_capacity(nodes),
        };
        fleet.fill(nodes, pools)?;
        Ok(fleet)
    }

    fn fill(&mut self, nodes: usize, pools: usize) -> Result<(), String> {
        let counts = Self::counts(nodes, pools);
        let spec = spec(pools, |pool| counts.get(pool).copied().unwrap_or_default());
        self.propose(Kind::ApplyFleetSpec(ApplyFleetSpec {
            spec: Some(spec),
            only_if_unset: false,
            force: false,
        }))?;
        for (pool, &target) in counts.iter().enumerate() {
            let pool = pool_name(pool);
            self.propose(Kind::RecordPoolMetrics(RecordPoolMetrics {
                pool: pool.clone(),
                queue_depth: Some(target * JOBS_PER_NODE),
                ttl_ms: FIGURES_HOLD_MS,
                ..RecordPoolMetrics::default()
            }))?;
            self.propose(Kind::ScalePool(ScalePool { pool, target, hold_until_ms: 0 }))?;
        }
        for number in 0..nodes {
            self.add(&machine_of(number, pools))?;
        }
        let fleet = self.ledger.view().fleet;
        self.numbers = fleet.nodes().map(|node| node.number).collect();
        Ok(())
    }

    /// Nodes of each pool.
    fn counts(nodes: usize, pools: usize) -> Vec<u32> {
        let mut counts = vec![0_u32; pools];
        (0..nodes).for_each(|node| counts[pool_of(node, pools)] += 1);
        counts
    }

    /// Orders, buys and registers one.
    fn add(&self, machine: &Machine) -> Result<(), String> {
        let instance_id = machine.idempotency_key.clone();
        self.propose(Kind::RequestInstance(RequestInstance {
            instance_id: instance_id.clone(),
            pool: machine.labels.get(labels::POOL).cloned().unwrap_or_default(),
            provider: PROVIDER.to_owned(),
            region: REGION.to_owned(),
            zone: machine.zone.clone(),
            instance_type: INSTANCE_TYPE.to_owned(),
            request_body: Bytes::from_static(b"{}"),
            ..RequestInstance::default()
        }))?;
        self.propose(Kind::RecordPurchase(RecordPurchase {
            instance_id,
            provider_ref: machine.id.clone(),
            region: REGION.to_owned(),
            zone: machine.zone.clone(),
            price_per_hour: machine.price_per_hour,
        }))?;
        let request = RegisterNodeRequest {
            node_id: machine.id.clone(),
            provider: PROVIDER.to_owned(),
            region: REGION.to_owned(),
            zone: machine.zone.clone(),
            instance_type: INSTANCE_TYPE.to_owned(),
            ..RegisterNodeRequest::default()
        };
        self.propose(Kind::RegisterNode(RegisterNode {
            request: Some(request),
            ..RegisterNode::default()
        }))
    }

    /// A heartbeat of every node, now.
    pub(super) fn beat(&self) {
        let gpu = GpuMetrics { utilization_percent: BUSY, ..GpuMetrics::default() };
        let metrics = NodeMetrics { gpu_metrics: vec![gpu], ..NodeMetrics::default() };
        let now_ms = self.ledger.log_time_ms();
        for number in &self.numbers {
            self.liveness.beat(*number, now_ms, Some(&metrics), INTERVAL_MS);
        }
    }

    fn propose(&self, kind: Kind) -> Result<(), String> {
        propose(&self.ledger, kind, &Author::caller("operator")).map(|_| ())
    }
}

/// A local group answers at once.
fn propose(ledger: &Ledger, kind: Kind, author: &Author) -> Result<u64, String> {
    let deadline = ledger.clock().now() + PROPOSE_TIMEOUT;
    let answered = ledger.propose(kind, author, deadline).now_or_never();
    let committed = answered.ok_or("a proposal waits")?.map_err(|error| error.to_string())?;
    Ok(committed.accepted.session)
}

fn open_session(ledger: &Ledger) -> Result<u64, String> {
    let open = OpenSession {
        replica: CLUSTER.to_owned(),
        wall_clock_ms: START_MS,
        ..OpenSession::default()
    };
    let session = propose(ledger, Kind::OpenSession(open), &Author::caller("replica"))?;
    ledger.session_clock().open(ledger.view().fleet.log_time_ms());
    ledger.set_standing(Standing::Leading { session });
    Ok(session)
}

fn parts(cloud: &Arc<ListedCloud>, liveness: &Arc<Liveness>, clock: &Clock) -> ControllerParts {
    let known = Arc::clone(cloud);
    let build: controllers::Build = Box::new(move |_| Ok(Arc::clone(&known) as Arc<dyn Provider>));
    let providers = Providers::built_by(build, CLUSTER.to_owned(), clock.clone());
    let metrics = Sources::new(clock.clone())
        .with(Arc::<Pushed>::default())
        .with(Arc::new(Heartbeats::new(Arc::clone(liveness))));
    ControllerParts {
        liveness: Arc::clone(liveness),
        providers: Arc::new(providers),
        metrics: Arc::new(metrics),
        autoscalers: Autoscalers::default(),
        notifiers: Arc::new(Notifiers::built_by(Box::new(|_| Ok(Channels::noop())))),
        observers: Observers::default(),
    }
}

/// Neighbours by name are in different pools, as in a fleet that grew.
fn pool_of(node: usize, pools: usize) -> usize {
    node % pools
}

fn machine_of(number: usize, pools: usize) -> Machine {
    let label = |key: &str, value: String| (key.to_owned(), value);
    let instance_id = format!("i-{number:032x}");
    Machine {
        id: format!("gpu-{number:07}"),
        name: instance_id.clone(),
        idempotency_key: instance_id.clone(),
        instance_type: INSTANCE_TYPE.to_owned(),
        region: REGION.to_owned(),
        zone: format!("eu-{}", number % 3),
        state: MachineState::Running,
        ip: None,
        ssh_port: None,
        gpu_count: 8,
        gpu_type: "H100".to_owned(),
        price_per_hour: 25.0,
        labels: [
            label(labels::CLUSTER, CLUSTER.to_owned()),
            label(labels::POOL, pool_name(pool_of(number, pools))),
            label(labels::INSTANCE, instance_id),
        ]
        .into(),
        created_at_ms: Some(START_MS),
        terminated_at_ms: None,
    }
}
