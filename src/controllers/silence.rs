//! Who is heard, and who is silent.

use std::collections::{BTreeSet, HashMap, HashSet};

use navarch_fleet::{BreakerKey, BreakerScope, FleetState, InstanceState, LogTime, Node};

use super::absences::Absences;
use crate::liveness::{self, Beat, Liveness};

/// A node as the leader hears it.
pub(super) struct Heard<'a> {
    pub(super) node: &'a Node,
    /// The latest of its last heartbeat, its registration and the opening of the session.
    heard_ms: u64,
    /// One and a half intervals without a beat, or its machine is missing at its provider.
    pub(super) silent: bool,
    /// How long it may be silent before it is lost.
    pub(super) timeout_ms: u64,
    /// Before this time its silence does not count against it: its breaker was open.
    resumed_ms: u64,
    /// It is lost, and is given up or has a successor that is counted beside it.
    pub(super) replaced: bool,
}

impl Heard<'_> {
    pub(super) fn silent_for_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_ms)
    }

    /// From when on it is silent for `timeouts` of its time-outs that count.
    pub(super) fn due_ms(&self, timeouts: u64) -> u64 {
        let counts_from = self.heard_ms.max(self.resumed_ms);
        counts_from.saturating_add(self.timeout_ms.saturating_mul(timeouts))
    }
}

/// How the leader hears the nodes, at one time.
pub(super) struct Hearing<'a> {
    fleet: &'a FleetState,
    beats: Vec<Beat>,
    opened_ms: u64,
    /// What an earlier leader told a node is not known; it went by the same rule.
    usual_interval_ms: u32,
    given_up: HashSet<&'a str>,
    missing: BTreeSet<String>,
    resumptions: Resumptions<'a>,
    now_ms: u64,
}

impl<'a> Hearing<'a> {
    pub(super) fn new(
        fleet: &'a FleetState,
        (liveness, absences): (&Liveness, &Absences),
        now_ms: u64,
    ) -> Self {
        Self {
            fleet,
            beats: liveness.beats(),
            opened_ms: liveness.session_opened_ms(),
            usual_interval_ms: liveness::interval_hint_ms(fleet.settings(), fleet.node_count()),
            given_up: given_up(fleet),
            missing: absences.all(),
            resumptions: Resumptions::of(fleet, LogTime::from_ms(now_ms)),
            now_ms,
        }
    }

    /// Whether the session is old enough to know who is silent: before, nobody can be.
    pub(super) fn can_judge(&self) -> bool {
        let silence_ms = silence_ms(self.usual_interval_ms);
        self.opened_ms.saturating_add(silence_ms) < self.now_ms
    }

    /// All nodes that should be heard: one whose machine is gone or being given back is silent for a good reason,
    /// unless it was lost before.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Heard<'a>> {
        let nodes = self.fleet.nodes().filter(|node| self.should_be_heard(node));
        nodes.map(|node| self.hear(node))
    }

    fn should_be_heard(&self, node: &Node) -> bool {
        let instance = node.instance_id.as_ref();
        let leaves = || instance.is_some_and(|id| self.given_up.contains(id.as_str()));
        !node.is_gone() && (node.is_lost() || !leaves())
    }

    fn hear(&self, node: &'a Node) -> Heard<'a> {
        let beat = self.beats.get(node.number.0 as usize).copied().unwrap_or_default();
        // What the log has of this session came from the memory, which is ahead of it.
        let logged = match beat.seen_ms {
            0 => self.fleet.last_seen(node.number).map_or(0, |seen| seen.at.as_ms()),
            _ => 0,
        };
        let registered_ms = node.registered_at.as_ms();
        let heard_ms = beat.seen_ms.max(logged).max(registered_ms).max(self.opened_ms);
        let interval_ms = match beat.told_interval_ms {
            0 => self.usual_interval_ms,
            told_ms => told_ms,
        };
        let silent_ms = self.now_ms.saturating_sub(heard_ms);
        Heard {
            node,
            heard_ms,
            silent: silent_ms >= silence_ms(interval_ms) || self.is_missing(node),
            timeout_ms: liveness::timeout_ms(self.fleet.settings(), interval_ms),
            resumed_ms: self.resumptions.of_node(node),
            replaced: node.is_lost() && self.is_replaced(node),
        }
    }

    fn is_replaced(&self, node: &Node) -> bool {
        let id = node.instance_id.as_ref();
        let instance = id.and_then(|id| self.fleet.instance(id.as_str()));
        instance.is_some_and(|instance| {
            let successor = instance.replaced_by.as_ref();
            let successor = successor.and_then(|id| self.fleet.instance(id.as_str()));
            instance.state != InstanceState::Running
                || successor.is_some_and(|one| one.state == InstanceState::Running)
        })
    }

    fn is_missing(&self, node: &Node) -> bool {
        !self.missing.is_empty()
            && node.instance_id.as_ref().is_some_and(|id| self.missing.contains(id.as_str()))
    }
}

/// How long without a beat is silence: one and a half intervals.
pub(super) fn silence_ms(interval_ms: u32) -> u64 {
    u64::from(interval_ms).saturating_mul(3) / 2
}

/// The instances that are gone or being given back: few of all, so that looking each node's up in the fleet's
/// tables would cost far more.
fn given_up(fleet: &FleetState) -> HashSet<&str> {
    let states = [InstanceState::Terminating, InstanceState::Terminated, InstanceState::Failed];
    let instances = states.into_iter().flat_map(|state| fleet.instances_in_state(state));
    instances.map(|instance| instance.id.as_str()).collect()
}

/// When breakers last closed, in milliseconds.
struct Resumptions<'a> {
    fleet_ms: u64,
    pools: HashMap<&'a str, u64>,
    zones: HashMap<ZoneName<'a>, u64>,
}

impl<'a> Resumptions<'a> {
    fn of(fleet: &'a FleetState, now: LogTime) -> Self {
        let mut all = Self { fleet_ms: 0, pools: HashMap::new(), zones: HashMap::new() };
        let mut any_zone = false;
        for (key, breaker) in fleet.breakers() {
            let Some(at) = breaker.resumed(now) else { continue };
            match key.scope {
                BreakerScope::Fleet => all.fleet_ms = at.as_ms(),
                BreakerScope::Pool => {
                    all.pools.insert(&key.name, at.as_ms());
                }
                BreakerScope::Zone => any_zone = true,
            }
        }
        if any_zone {
            for (zone, _) in fleet.zones() {
                let breaker = fleet.breaker(&BreakerKey::zone(zone));
                if let Some(at) = breaker.and_then(|breaker| breaker.resumed(now)) {
                    all.zones.insert((&zone.provider, &zone.region, &zone.zone), at.as_ms());
                }
            }
        }
        all
    }

    fn of_node(&self, node: &Node) -> u64 {
        let pool_ms = self.pools.get(pool_of(node)).copied().unwrap_or(0);
        let zone_ms = match self.zones.is_empty() {
            true => 0,
            false => self.zones.get(&zone_of(node)).copied().unwrap_or(0),
        };
        self.fleet_ms.max(pool_ms).max(zone_ms)
    }
}

/// Two clouds may call their zones the same.
pub(super) type ZoneName<'a> = (&'a str, &'a str, &'a str);

/// The pool that a node counts towards; standalone nodes without one make a group of their own.
pub(super) fn pool_of(node: &Node) -> &str {
    node.pool.as_ref().map_or("", |pool| pool.as_str())
}

pub(super) fn zone_of(node: &Node) -> ZoneName<'_> {
    (&node.provider, &node.region, &node.zone)
}
