//! Random histories: steps over so few ids that they meet.

use navarch_proto::{
    api::RegisterNodeRequest,
    fleet::{
        AcceptDrain, AcknowledgeCommand, AdoptMachine, ApplyFleetSpec, BeginAdoption, ClearLost,
        CordonNode, DeclareLost, DrainNode, DropExpired, EndAdoption, Envelope, ExpireCommands,
        FailInstance, FinishDrain, FleetSpec, ForgetNode, ForgiveGpu, HandOutCommands, HoldPool,
        KeepInstance, MarkDelivered, OpenSession, PausePool, QueueCommand, RecordDigest,
        RecordObserved, RecordOrphan, RecordPoolMetrics, RecordPurchase, RecordTermination,
        RefuseDrain, RegisterNode, RemovePool, RemoveProvider, RequestInstance, RequestKey,
        ScalePool, SetPoolTarget, TerminateInstance, UncordonNode, proposal::Kind,
    },
};
use proptest::prelude::*;

use super::{
    breaker_steps,
    harness::{Fleet, START_MS, node_request, pool_spec, provider_spec},
    verdicts,
};

/// One entry in the making: which verb, and small numbers that become ids, states and revisions.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    verb: u8,
    one: u8,
    two: u8,
    three: u8,
    /// A request id, if 1 to 8.
    request: u8,
    /// 0: an older session's controller, 1: too late, 2: the open session's controller, else nobody's.
    guard: u8,
    advance_ms: u64,
}

/// An id that nothing bears.
fn new_id(letter: char, fleet: &Fleet) -> String {
    format!("{letter}{}", fleet.index)
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let advance_ms = prop_oneof![
        6 => 0..50_u64,
        3 => 1000..400_000_u64,
        1 => 10_000_000..100_000_000_u64,
    ];
    (0..52_u8, 0..6_u8, 0..6_u8, 0..10_u8, 0..12_u8, 0..5_u8, advance_ms).prop_map(
        |(verb, one, two, three, request, guard, advance_ms)| Step {
            verb,
            one,
            two,
            three,
            request,
            guard,
            advance_ms,
        },
    )
}

impl Step {
    /// The entry that it is for a fleet as it stands.
    pub(crate) fn envelope(&self, fleet: &mut Fleet) -> Envelope {
        fleet.advance(self.advance_ms);
        let kind = self.kind(fleet);
        let open = fleet.state.session().id.0;
        let request = (1..9).contains(&self.request).then(|| RequestKey {
            principal: "token".to_owned(),
            method: "Method".to_owned(),
            request_id: self.request.to_string(),
            payload_hash: vec![self.verb; 32].into(),
        });
        Envelope {
            session: match self.guard {
                0 => open.saturating_sub(1),
                2 => open,
                _ => 0,
            },
            request,
            not_after_ms: if self.three == 9 { START_MS + 1_000_000 } else { 0 },
            ..fleet.envelope(kind)
        }
    }

    fn node(&self) -> String {
        // An id of its own now and then, and a bad one.
        match self.one {
            5 if self.two == 5 => String::new(),
            number => format!("m{}", number % 4),
        }
    }

    /// One that there is; now and then one that there is not.
    fn instance(&self, fleet: &Fleet) -> String {
        let place = usize::from(self.one + self.two) % fleet.state.instance_count().max(1);
        let instance = fleet.state.instances().nth(place).filter(|_| self.three != 0);
        instance.map_or_else(|| "i0".to_owned(), |instance| instance.id.to_string())
    }

    /// One that there is; now and then one that there is not.
    fn command(&self, fleet: &Fleet) -> String {
        let commands = fleet.state.commands_of(&self.node());
        let place = usize::from(self.two) % commands.len().max(1);
        let command = commands.get(place).filter(|_| self.three != 0);
        command.map_or_else(|| "c0".to_owned(), |command| command.id.to_string())
    }

    fn pool(&self) -> String {
        ["a", "a", "b", "b", "a", "c"][usize::from(self.two)].to_owned()
    }

    fn kind(&self, fleet: &Fleet) -> Kind {
        match self.verb {
            0..=11 => self.node_kind(fleet),
            12..=15 => self.report_kind(fleet),
            16..=21 => self.command_kind(fleet),
            22..=33 => self.instance_kind(fleet),
            34..=47 => self.fleet_kind(fleet),
            _ => breaker_steps::kind((self.verb, self.one, self.two, self.three), fleet),
        }
    }

    fn registration(&self, fleet: &Fleet) -> RegisterNodeRequest {
        let instance = self.instance(fleet);
        let labels: &[(&str, &str)] = match self.three {
            0..=2 => &[("navarch.instance", &instance), ("pool", "b")],
            3..=5 => &[("pool", "a")],
            _ => &[],
        };
        let mut request = node_request(&self.node(), labels);
        request.gpus.truncate(1);
        if self.three == 8 {
            request.provider = "other".to_owned();
        }
        request
    }

    fn node_kind(&self, fleet: &Fleet) -> Kind {
        let node_id = self.node();
        let node = fleet.state.node(&node_id);
        let node_revision = node.map_or(0, |node| node.revision.0 + u64::from(self.three == 1));
        let reason = format!("reason {}", self.three);
        match self.verb {
            0..=4 => Kind::RegisterNode(RegisterNode {
                request: (self.three != 9).then(|| self.registration(fleet)),
                request_id: ["", "r1", "r2"][usize::from(self.three % 3)].to_owned(),
            }),
            5 => Kind::CordonNode(CordonNode {
                node_id,
                reason,
                command_id: if self.three > 6 { new_id('c', fleet) } else { String::new() },
                ..CordonNode::default()
            }),
            6 => Kind::UncordonNode(UncordonNode { node_id, reason, ..UncordonNode::default() }),
            7 => {
                let deadline_ms = u64::from(self.three) * 1000;
                let for_verdict = self.three.is_multiple_of(2);
                Kind::DrainNode(DrainNode {
                    node_id,
                    reason,
                    deadline_ms,
                    for_verdict,
                    ..DrainNode::default()
                })
            }
            8 => Kind::FinishDrain(FinishDrain { node_id, reason, node_revision }),
            9 => Kind::AcceptDrain(AcceptDrain { node_id, node_revision }),
            10 => Kind::RefuseDrain(RefuseDrain { node_id, reason, node_revision }),
            _ => Kind::ForgetNode(ForgetNode { node_id }),
        }
    }

    fn report_kind(&self, fleet: &Fleet) -> Kind {
        let node_id = self.node();
        let node = fleet.state.node(&node_id);
        let node_revision = node.map_or(0, |node| node.revision.0 + u64::from(self.three == 1));
        let seen = node.and_then(|node| fleet.state.last_seen(node.number));
        let seen_ms = seen.map_or(0, |seen| seen.at.as_ms());
        let reason = format!("reason {}", self.three);
        match self.verb {
            12 => Kind::RecordVerdict(verdicts::random(
                fleet,
                node_id,
                [self.one, self.two, self.three],
            )),
            13 => Kind::DeclareLost(DeclareLost {
                node_id,
                last_seen_ms: seen_ms,
                node_revision,
                reason,
            }),
            14 => Kind::ClearLost(ClearLost { node_id, seen_ms: seen_ms + u64::from(self.three) }),
            _ => self.digest(fleet),
        }
    }

    fn digest(&self, fleet: &Fleet) -> Kind {
        let first = u32::from(self.one);
        Kind::RecordDigest(RecordDigest {
            at_ms: fleet.now_ms,
            numbers: vec![first, first + u32::from(self.two)],
            ages_ms: vec![u32::from(self.three) * 1000; 2],
            utilization: vec![50; usize::from(self.three % 3)].into(),
        })
    }

    fn command_kind(&self, fleet: &Fleet) -> Kind {
        let (node_id, command_id) = (self.node(), self.command(fleet));
        match self.verb {
            16 | 17 => Kind::QueueCommand(QueueCommand {
                command_id: if self.two == 0 { command_id } else { new_id('c', fleet) },
                node_id,
                r#type: if self.three > 5 { 3 } else { i32::from(self.three) },
                deadline_ms: if self.three == 4 { fleet.now_ms + 1000 } else { 0 },
                ..QueueCommand::default()
            }),
            18 => Kind::HandOutCommands(HandOutCommands { node_id }),
            19 => {
                let command_ids = vec![command_id, "c1".to_owned()];
                Kind::MarkDelivered(MarkDelivered { node_id, command_ids })
            }
            20 => Kind::AcknowledgeCommand(AcknowledgeCommand {
                node_id,
                command_id,
                result: i32::from(self.three % 4),
                ..AcknowledgeCommand::default()
            }),
            _ => Kind::ExpireCommands(ExpireCommands {}),
        }
    }

    fn instance_kind(&self, fleet: &Fleet) -> Kind {
        let instance_id = self.instance(fleet);
        let reason = format!("reason {}", self.three);
        let instance_revision = match fleet.state.instance(&instance_id) {
            Some(instance) if self.three > 5 => instance.revision.0 + u64::from(self.three == 7),
            _ => 0,
        };
        match self.verb {
            22..=25 => Kind::RequestInstance(RequestInstance {
                instance_id: if self.two == 0 { instance_id } else { new_id('i', fleet) },
                pool: self.pool(),
                provider: ["cloud", "spare"][usize::from(self.three % 2)].to_owned(),
                region: "eu".to_owned(),
                request_body: vec![1].into(),
                replaces: if self.three == 1 { "i1-1".to_owned() } else { String::new() },
                ..RequestInstance::default()
            }),
            26..=28 => Kind::RecordPurchase(RecordPurchase {
                instance_id,
                provider_ref: format!("m{}", self.three % 5),
                ..RecordPurchase::default()
            }),
            29 | 30 => Kind::FailInstance(FailInstance {
                instance_id,
                kind: i32::from(self.three),
                reason,
                instance_revision,
            }),
            31 => Kind::TerminateInstance(TerminateInstance {
                instance_id,
                reason,
                instance_revision,
            }),
            32 => Kind::RecordTermination(RecordTermination { instance_id }),
            _ if self.three < 3 => Kind::DropExpired(DropExpired {}),
            _ if self.three < 5 => {
                Kind::KeepInstance(KeepInstance { instance_id, reason, instance_revision })
            }
            _ => Kind::RecordOrphan(RecordOrphan {
                instance_id: new_id('o', fleet),
                pool: self.pool(),
                provider: "cloud".to_owned(),
                provider_ref: format!("m{}", self.one),
                reason,
                report_only: self.two == 0,
                ..RecordOrphan::default()
            }),
        }
    }

    fn fleet_kind(&self, fleet: &Fleet) -> Kind {
        let pool = self.pool();
        let target = u32::from(self.three);
        match self.verb {
            34 => Kind::OpenSession(OpenSession {
                replica: format!("r{}", self.one),
                boot_id: "boot".to_owned(),
                wall_clock_ms: fleet.now_ms,
            }),
            35 | 36 => Kind::ApplyFleetSpec(ApplyFleetSpec {
                spec: Some(self.spec()),
                only_if_unset: self.three == 0,
                force: self.three > 4,
            }),
            37 => {
                let hold_until_ms = u64::from(self.one);
                Kind::ScalePool(ScalePool { pool, target, hold_until_ms })
            }
            38 => Kind::SetPoolTarget(SetPoolTarget {
                pool_revision: fleet.state.pool(&pool).map_or(0, |pool| pool.revision.0),
                pool,
                target,
                reason: format!("reason {}", self.one),
                start_cooldown: self.one > 3,
                cause: ["", "steady", "demand"][usize::from(self.one % 3)].to_owned(),
                inputs: None,
            }),
            39 => Kind::PausePool(PausePool {
                pool,
                paused: self.one > 2,
                reason: format!("reason {}", self.two),
            }),
            43 | 44 => Kind::RecordPoolMetrics(RecordPoolMetrics {
                pool,
                pending_jobs: (self.one > 2).then_some(target),
                queue_depth: (self.one < 4).then_some(u32::from(self.one) * 2),
                utilization: (self.three > 3).then_some(f64::from(self.three) * 15.0),
                ttl_ms: u64::from(self.one) * 1000,
            }),
            // Seldom: most of a fleet's life is not adopt mode.
            40 if self.three == 0 => Kind::BeginAdoption(BeginAdoption {
                machine_tag: format!("tag {}", self.one),
                snapshot_index: fleet.index,
                restored_ms: fleet.now_ms,
            }),
            40 | 41 => Kind::EndAdoption(EndAdoption {}),
            42 => Kind::AdoptMachine(AdoptMachine {
                instance_id: if self.one > 2 { new_id('i', fleet) } else { self.instance(fleet) },
                pool,
                provider: if self.one == 4 { "spare".to_owned() } else { "cloud".to_owned() },
                provider_ref: self.node(),
                ..AdoptMachine::default()
            }),
            45 | 46 => self.controller_kind(),
            _ => {
                let reason = if self.one > 2 { "held".to_owned() } else { String::new() };
                Kind::HoldPool(HoldPool { pool, reason })
            }
        }
    }

    fn controller_kind(&self) -> Kind {
        match (self.verb, self.one) {
            (45, _) => {
                let event_index = u64::from(self.one) * u64::from(self.two);
                Kind::RecordObserved(RecordObserved { event_index })
            }
            (_, 0) => Kind::ForgiveGpu(ForgiveGpu {
                uuid: "GPU-00000000-0000-0000-0000-000000000000".to_owned(),
                reason: format!("reason {}", self.three),
            }),
            (_, 3..) => Kind::RemovePool(RemovePool { pool: self.pool() }),
            _ => Kind::RemoveProvider(RemoveProvider { provider: "spare".to_owned() }),
        }
    }

    fn spec(&self) -> FleetSpec {
        let maximum = 1 + u32::from(self.three % 4);
        let mut pools = vec![pool_spec("a", u32::from(self.one % 3), maximum)];
        if self.one > 1 {
            pools.push(pool_spec("b", 0, 2));
        }
        if self.two > 3 {
            pools.push(pool_spec("c", 1, maximum));
        }
        let mut providers = vec![provider_spec("cloud")];
        if self.one != 5 {
            providers.push(provider_spec("spare"));
        }
        FleetSpec {
            providers,
            pools,
            policy_yaml: format!("policy {}", self.two % 2),
            ..FleetSpec::default()
        }
    }
}
