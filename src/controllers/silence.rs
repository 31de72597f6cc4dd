//! Who is silent, and whether so many are that the trouble is likely our own.

use std::collections::{HashMap, HashSet};

use navarch_fleet::{Administrative, FleetState, InstanceState, Liveness as Heartbeat, Node};

use crate::liveness::{self, Beat, Liveness};

/// More than this part of a group silent is taken for trouble of our own, in percent.
const MASS_SILENCE_PERCENT: usize = 55;
/// Up to this many silent nodes are never a mass.
const FEW: usize = 2;
/// A loss counts as silence for this long, in milliseconds: ten minutes. A node that is lost for longer is no
/// sign of trouble that is starting now, and must not keep its pool's breaker open for ever.
const WINDOW_MS: u64 = 600_000;

/// A node as the leader hears it.
pub(super) struct Heard<'a> {
    pub(super) node: &'a Node,
    /// The latest of its last heartbeat, its registration and the opening of the session.
    heard_ms: u64,
    /// One and a half intervals without a beat.
    silent: bool,
    /// How long it may be silent before it is lost.
    pub(super) timeout_ms: u64,
}

impl Heard<'_> {
    pub(super) fn silent_for_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_ms)
    }

    /// From when on it is silent for longer than its time-out.
    pub(super) fn due_ms(&self) -> u64 {
        self.heard_ms.saturating_add(self.timeout_ms)
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
    now_ms: u64,
}

impl<'a> Hearing<'a> {
    pub(super) fn new(fleet: &'a FleetState, liveness: &Liveness, now_ms: u64) -> Self {
        Self {
            fleet,
            beats: liveness.beats(),
            opened_ms: liveness.session_opened_ms(),
            usual_interval_ms: liveness::interval_hint_ms(fleet.settings(), fleet.node_count()),
            given_up: given_up(fleet),
            now_ms,
        }
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
        node.administrative != Administrative::Terminated && (node.is_lost() || !leaves())
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
            silent: silent_ms >= u64::from(interval_ms).saturating_mul(3) / 2,
            timeout_ms: liveness::timeout_ms(self.fleet.settings(), interval_ms),
        }
    }
}

/// The instances that are gone or being given back: few of all, so that looking each node's up in the fleet's
/// tables would cost far more.
fn given_up(fleet: &FleetState) -> HashSet<&str> {
    let states = [InstanceState::Terminating, InstanceState::Terminated, InstanceState::Failed];
    let instances = states.into_iter().flat_map(|state| fleet.instances_in_state(state));
    instances.map(|instance| instance.id.as_str()).collect()
}

/// How many of each pool and of each zone are silent, or were lost lately.
#[derive(Default)]
pub(super) struct Silence<'a> {
    pools: HashMap<&'a str, Share>,
    zones: HashMap<Zone<'a>, Share>,
    fleet: Share,
    /// Anybody beats.
    heard: bool,
}

/// Two clouds may call their zones the same.
type Zone<'a> = (&'a str, &'a str, &'a str);

#[derive(Clone, Copy, Default)]
struct Share {
    silent: usize,
    all: usize,
}

impl Share {
    fn count(&mut self, silent: bool) {
        self.all += 1;
        self.silent += usize::from(silent);
    }

    fn is_mostly_silent(self) -> bool {
        self.silent * 100 > self.all * MASS_SILENCE_PERCENT
    }

    fn is_mass(self) -> bool {
        self.silent > FEW && self.is_mostly_silent()
    }
}

impl<'a> Silence<'a> {
    pub(super) fn of(heard: &[Heard<'a>], now_ms: u64) -> Self {
        let mut silence = Self::default();
        for one in heard {
            let long_lost = match &one.node.liveness {
                Heartbeat::Lost(loss) => loss.at.plus_ms(WINDOW_MS).as_ms() <= now_ms,
                Heartbeat::Beating => false,
            };
            let silent = one.silent || one.node.is_lost();
            silence.heard |= !silent;
            if long_lost {
                continue;
            }
            silence.pools.entry(pool_of(one.node)).or_default().count(silent);
            silence.zones.entry(zone_of(one.node)).or_default().count(silent);
            silence.fleet.count(silent);
        }
        silence
    }

    /// Whether nobody at all beats, in a fleet so small that this may well be true.
    pub(super) fn is_lonely(&self) -> bool {
        !self.heard && self.fleet.all <= FEW
    }

    /// Whether nothing may be declared lost anywhere: nobody beats, or every zone is mostly silent.
    pub(super) fn is_everywhere(&self) -> bool {
        let zones_silent = self.zones.values().all(|share| share.is_mostly_silent());
        self.fleet.silent > FEW && (!self.heard || zones_silent)
    }

    /// Whether so much of a node's pool or zone is silent that the trouble is likely ours.
    pub(super) fn is_mass(&self, node: &Node) -> bool {
        let pool = self.pools.get(pool_of(node)).copied().unwrap_or_default();
        let zone = self.zones.get(&zone_of(node)).copied().unwrap_or_default();
        pool.is_mass() || zone.is_mass()
    }

    /// How many nodes of a node's pool should be heard.
    pub(super) fn pool_size(&self, node: &Node) -> usize {
        self.pools.get(pool_of(node)).map_or(0, |share| share.all)
    }
}

/// The pool that a node counts towards; standalone nodes without one make a group of their own.
pub(super) fn pool_of(node: &Node) -> &str {
    node.pool.as_ref().map_or("", |pool| pool.as_str())
}

fn zone_of(node: &Node) -> Zone<'_> {
    (&node.provider, &node.region, &node.zone)
}
