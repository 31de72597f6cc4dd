use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use navarch_host::Chance;
use navarch_proto::{
    api::{
        GpuInfo, GpuMetrics, NodeMetadata, NodeMetrics, RegisterNodeRequest, ReportHealthRequest,
    },
    fleet::Settings,
};
use tokio_util::sync::CancellationToken;

use super::step::Failure;
use crate::{
    fake_cloud::agents::{Ailment, Loads, health_report},
    provider::{
        Machine,
        fake::{AgentBooter, AgentHandle},
        labels,
    },
};

/// Between two attempts to register.
const REGISTER_AGAIN_MS: u64 = 1_000;
/// How far a node's utilisation is from its pool's at most, in percent.
const SWAY: f64 = 4.0;
/// The check that nodes report where the configuration names none.
const DEFAULT_CHECK: &str = "gpu";

/// The agents of all machines. They act when they are asked to: all in one place and in a fixed order.
pub(super) struct Agents {
    /// By machine, which is the node's name too.
    agents: Mutex<BTreeMap<String, Agent>>,
    /// How busy pools are.
    pub(super) loads: Loads,
    chance: Chance,
}

struct Agent {
    machine: Machine,
    stop: CancellationToken,
    registered: bool,
    /// When it does something next, in milliseconds since the Unix epoch.
    next_beat_ms: u64,
    next_report_ms: u64,
    silent: bool,
    ailment: Ailment,
}

/// What an agent tells the control plane.
pub(super) enum Word {
    Register(Box<RegisterNodeRequest>),
    Beat(String, NodeMetrics),
    Report(ReportHealthRequest),
}

impl Agents {
    /// None yet.
    pub(super) fn new(chance: Chance) -> Arc<Self> {
        Arc::new(Self { agents: Mutex::default(), loads: Loads::default(), chance })
    }

    /// What all agents say by now, in the order of their names.
    pub(super) fn speak(&self, settings: &Settings, interval_ms: u32, now_ms: u64) -> Vec<Word> {
        let mut agents = self.lock();
        agents.retain(|_, agent| !agent.stop.is_cancelled());
        let mut words = Vec::new();
        for agent in agents.values_mut().filter(|agent| !agent.silent) {
            if !agent.registered && agent.next_beat_ms <= now_ms {
                agent.next_beat_ms = now_ms + REGISTER_AGAIN_MS;
                words.push(Word::Register(Box::new(agent.registration())));
            }
            if agent.registered && agent.next_beat_ms <= now_ms {
                agent.next_beat_ms = now_ms + u64::from(interval_ms);
                let pool = agent.pool();
                let busy = self.loads.of(pool, now_ms) + SWAY * (2.0 * self.chance.share() - 1.0);
                let metrics = metrics(busy.clamp(0.0, 100.0));
                words.push(Word::Beat(agent.machine.id.clone(), metrics));
            }
            if agent.registered && agent.next_report_ms <= now_ms {
                agent.next_report_ms = now_ms + settings.health_check_interval_ms.max(1_000);
                words.push(Word::Report(agent.report(settings)));
            }
        }
        words
    }

    /// An agent was told that it is registered. Its first report is some time within an interval away, so that not
    /// all come at once.
    pub(super) fn registered(&self, id: &str, settings: &Settings, now_ms: u64) {
        let interval = usize::try_from(settings.health_check_interval_ms).unwrap_or(usize::MAX);
        let offset = self.chance.below(interval) as u64;
        if let Some(agent) = self.lock().get_mut(id) {
            agent.registered = true;
            agent.next_beat_ms = now_ms;
            agent.next_report_ms = now_ms + offset;
        }
    }

    /// Whether the node has an agent that nothing is wrong with; none: it has no agent.
    pub(super) fn is_well(&self, id: &str) -> Option<bool> {
        let agents = self.lock();
        let agent = agents.get(id).filter(|agent| !agent.stop.is_cancelled())?;
        Some(!agent.silent && agent.ailment.is_none())
    }

    /// Makes an agent fail; a machine that vanishes takes its agent along by itself.
    pub(super) fn fail(&self, id: &str, failure: &Failure, now_ms: u64) {
        let mut agents = self.lock();
        let Some(agent) = agents.get_mut(id) else { return };
        match failure {
            Failure::Silent => agent.silent = true,
            Failure::Vanish => {}
            Failure::Xid(code) => agent.ailment.xid = Some(*code),
            Failure::Check(name) => agent.ailment.failing_check = Some(name.clone()),
        }
        agent.next_report_ms = now_ms;
    }

    /// Makes an agent well again.
    pub(super) fn revive(&self, id: &str, now_ms: u64) {
        if let Some(agent) = self.lock().get_mut(id) {
            agent.silent = false;
            agent.ailment = Ailment::default();
            (agent.next_beat_ms, agent.next_report_ms) = (now_ms, now_ms);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Agent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agent {
    fn pool(&self) -> &str {
        self.machine.labels.get(labels::POOL).map_or("", String::as_str)
    }

    fn registration(&self) -> RegisterNodeRequest {
        let machine = &self.machine;
        let gpu = |index: u32| GpuInfo {
            index: index.cast_signed(),
            uuid: format!("GPU-{}-{index}", machine.id),
            name: machine.gpu_type.clone(),
            ..GpuInfo::default()
        };
        let labels = machine.labels.clone().into_iter().collect();
        RegisterNodeRequest {
            node_id: machine.id.clone(),
            provider: machine.labels.get(labels::PROVIDER).cloned().unwrap_or_default(),
            region: machine.region.clone(),
            zone: machine.zone.clone(),
            instance_type: machine.instance_type.clone(),
            gpus: (0..machine.gpu_count).map(gpu).collect(),
            metadata: Some(NodeMetadata {
                hostname: machine.name.clone(),
                labels,
                ..NodeMetadata::default()
            }),
        }
    }

    /// The health of the node; an XID is told of once.
    fn report(&mut self, settings: &Settings) -> ReportHealthRequest {
        let mut checks = settings.enabled_health_checks.clone();
        if checks.is_empty() {
            checks.push(DEFAULT_CHECK.to_owned());
        }
        let report = health_report(&self.machine.id, &checks, &self.ailment);
        self.ailment.xid = None;
        report
    }
}

fn metrics(busy: f64) -> NodeMetrics {
    let gpu = GpuMetrics { utilization_percent: busy, ..GpuMetrics::default() };
    NodeMetrics { gpu_metrics: vec![gpu], ..NodeMetrics::default() }
}

/// Puts an agent on each machine.
pub(super) struct Booter(pub(super) Arc<Agents>);

impl AgentBooter for Booter {
    fn boot(&self, machine: &Machine) -> AgentHandle {
        let stop = CancellationToken::new();
        let agent = Agent {
            machine: machine.clone(),
            stop: stop.clone(),
            registered: false,
            next_beat_ms: 0,
            next_report_ms: 0,
            silent: false,
            ailment: Ailment::default(),
        };
        self.0.lock().insert(machine.id.clone(), agent);
        AgentHandle::new(stop)
    }
}
