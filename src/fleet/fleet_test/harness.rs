//! A state with a log: proposals go in as entries, as the leader would write them.

use std::collections::BTreeMap;

use navarch_proto::{
    api::{GpuInfo, HealthStatus, NodeMetadata, RegisterNodeRequest},
    fleet::{
        Accepted, ApplyFleetSpec, Envelope, FleetSpec, OpenSession, PoolProvider, PoolSpec,
        Proposal, ProviderSpec, RecordPurchase, RecordVerdict, RegisterNode, Rejection,
        RejectionCode, RequestInstance, RequestKey, outcome::Result as OutcomeResult,
        proposal::Kind,
    },
};
use prost::Message as _;

use crate::{Applied, ENVELOPE_FORMAT, FleetState};

/// When histories begin: a plausible wall clock.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// A state and the log position and time of its next entry.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    pub(crate) state: FleetState,
    pub(crate) index: u64,
    pub(crate) now_ms: u64,
}

impl Fleet {
    /// Before the first entry.
    pub(crate) fn empty() -> Self {
        Self { state: FleetState::default(), index: 0, now_ms: START_MS }
    }

    /// With an open session and two pools, `a` (1 to 3 nodes) and `b` (0 to 2), of provider `cloud`.
    pub(crate) fn configured() -> Self {
        let mut fleet = Self::empty();
        fleet.accept(open_session());
        fleet.accept(apply_spec(spec()));
        fleet
    }

    /// The next entry.
    pub(crate) fn envelope(&mut self, kind: Kind) -> Envelope {
        self.index += 1;
        Envelope {
            format: ENVELOPE_FORMAT,
            log_time_ms: self.now_ms,
            actor: "operator".to_owned(),
            proposal: Some(Proposal { kind: Some(kind) }),
            ..Envelope::default()
        }
    }

    pub(crate) fn apply_envelope(&mut self, envelope: &Envelope) -> Applied {
        self.state.apply(self.index, &envelope.encode_to_vec()).unwrap()
    }

    pub(crate) fn apply(&mut self, kind: Kind) -> Applied {
        let envelope = self.envelope(kind);
        self.apply_envelope(&envelope)
    }

    /// Applies under a request id.
    pub(crate) fn apply_request(&mut self, id: &str, body: u8, kind: Kind) -> Applied {
        let request = RequestKey {
            principal: "token".to_owned(),
            method: "Method".to_owned(),
            request_id: id.to_owned(),
            payload_hash: vec![body; 32].into(),
        };
        let envelope = Envelope { request: Some(request), ..self.envelope(kind) };
        self.apply_envelope(&envelope)
    }

    pub(crate) fn accept(&mut self, kind: Kind) -> Accepted {
        accepted(&self.apply(kind))
    }

    /// The refusal's code; the records must be as they were.
    pub(crate) fn reject(&mut self, kind: Kind) -> RejectionCode {
        self.rejection(kind).code()
    }

    pub(crate) fn rejection(&mut self, kind: Kind) -> Rejection {
        let before = self.state.clone();
        let applied = self.apply(kind);
        let mut after = self.state.clone();
        after.log_time = before.log_time;
        after.journal = before.journal.clone();
        assert_eq!(after.hash(), before.hash(), "a rejected proposal changed a record");
        rejection(&applied)
    }

    pub(crate) fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    pub(crate) fn status(&self, node: &str) -> navarch_proto::api::NodeStatus {
        self.state.node(node).unwrap().status()
    }

    /// The kinds of the events after an index.
    pub(crate) fn kinds_since(&self, index: u64) -> Vec<String> {
        self.state.events_since(index, usize::MAX).map(|event| event.kind.clone()).collect()
    }

    /// Whether every index says what a full scan says.
    pub(crate) fn check_indexes(&self) {
        assert!(self.state.nodes.is_consistent(), "nodes");
        assert!(self.state.instances.is_consistent(), "instances");
        assert!(self.state.commands.is_consistent(), "commands");
        assert!(self.state.histories.is_consistent(), "histories");
        assert!(self.state.histories.iter().all(|(id, _)| self.state.node(id.as_str()).is_some()));
        assert!(self.state.requests.is_consistent(), "requests");
    }
}

pub(crate) fn accepted(applied: &Applied) -> Accepted {
    match applied.outcome.result.clone().unwrap() {
        OutcomeResult::Accepted(accepted) => accepted,
        OutcomeResult::Rejection(rejection) => panic!("rejected: {rejection:?}"),
    }
}

pub(crate) fn rejection(applied: &Applied) -> Rejection {
    match applied.outcome.result.clone().unwrap() {
        OutcomeResult::Accepted(accepted) => panic!("accepted: {accepted:?}"),
        OutcomeResult::Rejection(rejection) => rejection,
    }
}

pub(crate) fn open_session() -> Kind {
    Kind::OpenSession(OpenSession {
        replica: "r1".to_owned(),
        boot_id: "boot".to_owned(),
        wall_clock_ms: START_MS,
    })
}

pub(crate) fn pool_spec(name: &str, min_nodes: u32, max_nodes: u32) -> PoolSpec {
    PoolSpec {
        name: name.to_owned(),
        providers: vec![PoolProvider { name: "cloud".to_owned(), ..PoolProvider::default() }],
        instance_type: "h100-8x".to_owned(),
        labels: BTreeMap::from([("team".to_owned(), "x".to_owned())]),
        min_nodes,
        max_nodes,
        cooldown_ms: 300_000,
        ..PoolSpec::default()
    }
}

pub(crate) fn provider_spec(name: &str) -> ProviderSpec {
    ProviderSpec { name: name.to_owned(), r#type: "http".to_owned(), ..ProviderSpec::default() }
}

pub(crate) fn spec() -> FleetSpec {
    FleetSpec {
        providers: vec![provider_spec("cloud")],
        pools: vec![pool_spec("b", 0, 2), pool_spec("a", 1, 3)],
        ..FleetSpec::default()
    }
}

pub(crate) fn apply_spec(spec: FleetSpec) -> Kind {
    Kind::ApplyFleetSpec(ApplyFleetSpec { spec: Some(spec), ..ApplyFleetSpec::default() })
}

/// A node of provider `cloud` with 8 GPUs.
pub(crate) fn node_request(id: &str, labels: &[(&str, &str)]) -> RegisterNodeRequest {
    let gpu = |index: i32| GpuInfo {
        index,
        uuid: format!("GPU-{index:08}-0000-0000-0000-{index:012}"),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        pci_bus_id: format!("00000000:{index:02}:00.0"),
        memory_total: 85_520_809_984,
        driver_version: "535.104.05".to_owned(),
        cuda_version: "12.2".to_owned(),
    };
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    RegisterNodeRequest {
        node_id: id.to_owned(),
        provider: "cloud".to_owned(),
        region: "eu".to_owned(),
        zone: "eu-1".to_owned(),
        instance_type: "h100".to_owned(),
        gpus: (0..8).map(gpu).collect(),
        metadata: Some(NodeMetadata {
            hostname: format!("{id}.internal"),
            internal_ip: "10.0.0.1".to_owned(),
            external_ip: String::new(),
            kernel_version: "6.8.0".to_owned(),
            labels: labels.collect(),
        }),
    }
}

pub(crate) fn register(request: RegisterNodeRequest, request_id: &str) -> Kind {
    let request_id = request_id.to_owned();
    Kind::RegisterNode(RegisterNode { request: Some(request), request_id })
}

pub(crate) fn register_plain(id: &str) -> Kind {
    register(node_request(id, &[]), "")
}

pub(crate) fn order(id: &str, pool: &str) -> Kind {
    Kind::RequestInstance(RequestInstance {
        instance_id: id.to_owned(),
        pool: pool.to_owned(),
        provider: "cloud".to_owned(),
        region: "eu".to_owned(),
        instance_type: "h100".to_owned(),
        request_body: b"{}".to_vec().into(),
        ..RequestInstance::default()
    })
}

pub(crate) fn purchase(id: &str, provider_ref: &str) -> Kind {
    Kind::RecordPurchase(RecordPurchase {
        instance_id: id.to_owned(),
        provider_ref: provider_ref.to_owned(),
        region: "eu".to_owned(),
        zone: "eu-1".to_owned(),
        price_per_hour: 2.5,
    })
}

/// A verdict by the first policy on the node's first incarnation.
pub(crate) fn verdict(node: &str, checks: HealthStatus, events: HealthStatus) -> RecordVerdict {
    RecordVerdict {
        node_id: node.to_owned(),
        verdict: checks.max(events).into(),
        checks: checks.into(),
        events: events.into(),
        rule: "rule".to_owned(),
        reason: "XID 79".to_owned(),
        policy_revision: 0,
        node_incarnation: 1,
        ..RecordVerdict::default()
    }
}
