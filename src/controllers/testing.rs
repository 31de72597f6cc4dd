//! A fleet on a fake clock that tests drive by proposals.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt as _;
use navarch_fleet::{FleetState, Instance, Node, NodeNumber};
use navarch_proto::{
    api::{GpuMetrics, HealthStatus, NodeMetadata, NodeMetrics, RegisterNodeRequest},
    fleet::{
        Accepted, ApplyFleetSpec, FleetSpec, PoolProvider, PoolSpec, ProviderSpec, RecordPurchase,
        RecordVerdict, RegisterNode, RejectionCode, RequestInstance, Settings, proposal::Kind,
    },
};

pub(super) use super::testing_cloud::{Call, OrderAnswer, ScriptedCloud, machine};
use super::{
    Notifiers, Providers, deliveries::Lanes, drainer::Drainer, testing_workloads::ScriptedWorkloads,
};
use crate::{
    leader::{Controller, Report, Tenure},
    ledger::{
        Author, Ledger,
        testing::{TestGroup, propose},
    },
    liveness::Liveness,
    metrics_source::{Heartbeats, Pushed, Sources},
    provider::Provider,
};

/// A leader's world: one pool or more, a cloud, and whatever a test proposes.
pub(super) struct World {
    pub(super) group: TestGroup,
    pub(super) liveness: Arc<Liveness>,
    /// What is pushed, and the heartbeats.
    pub(super) metrics: Arc<Sources>,
    pub(super) clouds: BTreeMap<String, Arc<ScriptedCloud>>,
    pub(super) providers: Arc<Providers>,
    pub(super) workloads: Arc<ScriptedWorkloads>,
    pub(super) notifiers: Arc<Notifiers>,
    pub(super) ledger: Ledger,
    pub(super) session: u64,
}

/// A pool of `cloud`, with replacement.
pub(super) fn pool(name: &str, min_nodes: u32, max_nodes: u32) -> PoolSpec {
    PoolSpec {
        name: name.to_owned(),
        providers: vec![pool_provider("cloud")],
        instance_type: "h100-8x".to_owned(),
        region: "eu".to_owned(),
        min_nodes,
        max_nodes,
        cooldown_ms: 300_000,
        unhealthy_after: 2,
        auto_replace: true,
        ..PoolSpec::default()
    }
}

pub(super) fn pool_provider(name: &str) -> PoolProvider {
    PoolProvider { name: name.to_owned(), weight: 1, ..PoolProvider::default() }
}

/// Beats every 10 s, lost after 30 s.
pub(super) fn settings() -> Settings {
    Settings { heartbeat_interval_ms: 10_000, heartbeat_timeout_ms: 30_000, ..Settings::default() }
}

/// Those pools, and the providers `cloud` and `other`.
pub(super) fn spec(pools: Vec<PoolSpec>) -> FleetSpec {
    let provider = |name: &str| ProviderSpec {
        name: name.to_owned(),
        r#type: "fake".to_owned(),
        ..ProviderSpec::default()
    };
    FleetSpec {
        settings: Some(settings()),
        providers: vec![provider("cloud"), provider("other")],
        pools,
        ..FleetSpec::default()
    }
}

impl World {
    pub(super) fn new(pools: Vec<PoolSpec>) -> Self {
        Self::with_spec(spec(pools))
    }

    pub(super) fn with_spec(spec: FleetSpec) -> Self {
        let group = TestGroup::new();
        let (ledger, session) = group.leading(1);
        let liveness = Arc::<Liveness>::default();
        liveness.open_session(ledger.log_time_ms());
        let cloud =
            |name: &str| (name.to_owned(), Arc::new(ScriptedCloud::new(group.clock.clone())));
        let clouds = BTreeMap::from(["cloud", "other"].map(cloud));
        let known = clouds.clone();
        let providers = Providers::built_by(
            Box::new(move |spec| {
                let cloud = known.get(&spec.name).ok_or("there is no such cloud")?;
                Ok(Arc::clone(cloud) as Arc<dyn Provider>)
            }),
            "cluster-1".to_owned(),
            group.clock.clone(),
        );
        let heartbeats = Arc::new(Heartbeats::new(Arc::clone(&liveness)));
        let metrics = Sources::new(group.clock.clone()).with(Arc::<Pushed>::default());
        let workloads = Arc::new(ScriptedWorkloads::new(group.clock.clone()));
        let world = Self {
            group,
            liveness,
            metrics: Arc::new(metrics.with(heartbeats)),
            clouds,
            providers: Arc::new(providers),
            notifiers: Arc::new(workloads.notifiers()),
            workloads,
            ledger,
            session,
        };
        world.accept(Kind::ApplyFleetSpec(ApplyFleetSpec {
            spec: Some(spec),
            ..ApplyFleetSpec::default()
        }));
        world
    }

    /// A change of leader; the replica that led is the one that leads again.
    pub(super) fn new_session(&mut self) {
        (self.ledger, self.session) = self.group.leading(1);
        self.liveness.open_session(self.ledger.log_time_ms());
    }

    pub(super) fn drainer(&self) -> Drainer {
        Drainer::new(Arc::clone(&self.notifiers), Lanes::default())
    }

    pub(super) fn cloud(&self) -> &ScriptedCloud {
        &self.clouds["cloud"]
    }

    pub(super) fn fleet(&self) -> Arc<FleetState> {
        self.ledger.view().fleet
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.ledger.log_time_ms()
    }

    pub(super) fn tenure(&self, controller: &'static str) -> Tenure {
        Tenure::new(self.session, self.ledger.clone(), Duration::from_millis(300)).of(controller)
    }

    /// One pass of a controller. The clock stands still, so it must not wait.
    pub(super) fn reconcile(&self, controller: &mut dyn Controller) -> Report {
        let tenure = self.tenure(controller.name());
        controller.reconcile(&tenure).now_or_never().expect("the pass waits")
    }

    pub(super) async fn advance(&self, seconds: u64) {
        self.group.advance(seconds).await;
    }

    pub(super) fn accept(&self, kind: Kind) -> Accepted {
        propose(&self.ledger, kind, &Author::caller("operator")).unwrap().accepted
    }

    pub(super) fn reject(&self, kind: Kind) -> RejectionCode {
        let refused = propose(&self.ledger, kind, &Author::caller("operator")).unwrap_err();
        refused.rejection_code().unwrap()
    }

    /// An order that the provider has not answered.
    pub(super) fn order(&self, id: &str, pool: &str) {
        self.order_in_place_of(id, pool, "");
    }

    fn order_in_place_of(&self, id: &str, pool: &str, replaces: &str) {
        self.accept(Kind::RequestInstance(RequestInstance {
            instance_id: id.to_owned(),
            pool: pool.to_owned(),
            provider: "cloud".to_owned(),
            region: "eu".to_owned(),
            instance_type: "h100-8x".to_owned(),
            request_body: Bytes::from_static(b"{}"),
            replaces: replaces.to_owned(),
            ..RequestInstance::default()
        }));
    }

    /// A machine that has not registered; its reference is `m-` and the id.
    pub(super) fn bought(&self, id: &str, pool: &str) {
        self.order(id, pool);
        self.answer(id);
    }

    fn answer(&self, id: &str) {
        self.accept(Kind::RecordPurchase(RecordPurchase {
            instance_id: id.to_owned(),
            provider_ref: format!("m-{id}"),
            ..RecordPurchase::default()
        }));
    }

    /// A machine whose node `m-<id>` has registered.
    pub(super) fn running(&self, id: &str, pool: &str) {
        self.bought(id, pool);
        self.register(&format!("m-{id}"), "z1", None);
    }

    /// The same, bought for the machine of instance `replaces`, which goes on.
    pub(super) fn running_in_place_of(&self, id: &str, pool: &str, replaces: &str) {
        self.order_in_place_of(id, pool, replaces);
        self.answer(id);
        self.register(&format!("m-{id}"), "z1", None);
    }

    pub(super) fn register(&self, node_id: &str, zone: &str, pool: Option<&str>) {
        let labels = pool.map(|pool| ("pool".to_owned(), pool.to_owned())).into_iter().collect();
        let request = RegisterNodeRequest {
            node_id: node_id.to_owned(),
            provider: "cloud".to_owned(),
            zone: zone.to_owned(),
            metadata: Some(NodeMetadata { labels, ..NodeMetadata::default() }),
            ..RegisterNodeRequest::default()
        };
        let request = Some(request);
        self.accept(Kind::RegisterNode(RegisterNode { request, ..RegisterNode::default() }));
    }

    /// A heartbeat now, with that GPU utilisation.
    pub(super) fn beat(&self, node_id: &str, utilization: f64) {
        let gpu = GpuMetrics { utilization_percent: utilization, ..GpuMetrics::default() };
        let metrics = NodeMetrics { gpu_metrics: vec![gpu], ..NodeMetrics::default() };
        self.liveness.beat(self.number(node_id), self.now_ms(), Some(&metrics), 10_000);
    }

    /// A health report: the worst of its checks, and of the policy over its events.
    pub(super) fn report(&self, node_id: &str, checks: HealthStatus, events: HealthStatus) {
        let fleet = self.fleet();
        self.accept(Kind::RecordVerdict(RecordVerdict {
            node_id: node_id.to_owned(),
            verdict: checks.max(events).into(),
            checks: checks.into(),
            events: events.into(),
            policy_revision: fleet.policy_revision(),
            node_incarnation: self.node(node_id).incarnation,
            ..RecordVerdict::default()
        }));
    }

    pub(super) fn node(&self, id: &str) -> Arc<Node> {
        Arc::clone(self.fleet().node(id).unwrap())
    }

    pub(super) fn number(&self, node_id: &str) -> NodeNumber {
        self.node(node_id).number
    }

    pub(super) fn instance(&self, id: &str) -> Arc<Instance> {
        Arc::clone(self.fleet().instance(id).unwrap())
    }

    /// Ids and states of a pool's instances, by id.
    pub(super) fn states(&self, pool: &str) -> Vec<(String, String)> {
        let fleet = self.fleet();
        let all = fleet.instances_in_pool(pool);
        all.map(|one| (one.id.to_string(), one.state.to_string())).collect()
    }

    /// The kinds of the events whose kind begins with `prefix`, oldest first.
    pub(super) fn events(&self, prefix: &str) -> Vec<String> {
        let fleet = self.fleet();
        let all = fleet.events_since(0, usize::MAX).map(|event| event.kind.clone());
        all.filter(|kind| kind.starts_with(prefix)).collect()
    }
}

/// What steps do and to whom, in a form that tables can hold: `drain m-i1`, `terminate i1`.
pub(super) fn words(steps: &[Kind]) -> Vec<String> {
    steps.iter().map(word).collect()
}

fn word(step: &Kind) -> String {
    match step {
        Kind::DrainNode(step) => format!("drain {}", step.node_id),
        Kind::RefuseDrain(step) => format!("refuse-drain {}", step.node_id),
        Kind::FinishDrain(step) => format!("finish-drain {}", step.node_id),
        Kind::UncordonNode(step) => format!("uncordon {}", step.node_id),
        Kind::TerminateInstance(step) => format!("terminate {}", step.instance_id),
        Kind::FailInstance(step) => {
            format!("fail {} {}", step.instance_id, step.kind().as_str_name())
        }
        Kind::RequestInstance(step) if !step.replaces.is_empty() => {
            format!("order for {}", step.replaces)
        }
        Kind::RequestInstance(step) => format!("order {} {}", step.provider, step.region),
        Kind::KeepInstance(step) => format!("keep {}", step.instance_id),
        Kind::HoldReplacement(step) => format!("hold-replacement {} {:?}", step.pool, step.reason),
        Kind::HoldPool(step) => format!("hold {} {:?}", step.pool, step.reason),
        Kind::SetPoolTarget(step) => format!("target {} {}", step.pool, step.target),
        Kind::ExpireCommands(_) => "expire-commands".to_owned(),
        Kind::DropExpired(_) => "drop-expired".to_owned(),
        other => format!("{other:?}"),
    }
}
