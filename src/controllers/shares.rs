//! What part of each pool and zone is in trouble, and whether it is so much that the trouble is likely our own.

use std::collections::HashMap;

use navarch_fleet::{BreakerCounts, BreakerKey, FleetState, Liveness as Heartbeat, LogTime, Node};
use navarch_proto::fleet::Settings;

use super::silence::{Heard, ZoneName, pool_of, zone_of};

/// Up to this many nodes in trouble are never a mass.
pub(super) const FEW: usize = 2;

/// The nodes of the fleet, of each pool and of each zone, and what is wrong with them.
pub(super) struct Shares<'a> {
    settings: &'a Settings,
    whole: Group,
    pools: HashMap<&'a str, Group>,
    zones: HashMap<ZoneName<'a>, Group>,
    /// Anybody beats.
    heard: bool,
}

/// One breaker's nodes, and what its record says.
pub(super) struct Group {
    pub(super) key: BreakerKey,
    share: Share,
    /// Unhealthy verdicts from then on count: the last window, or all since one window before the breaker opened. An
    /// operator has to clear those that opened it.
    unhealthy_from_ms: u64,
    /// An operator forced it closed.
    forced_closed: bool,
}

#[derive(Clone, Copy, Default)]
struct Share {
    lost: usize,
    silent: usize,
    unhealthy: usize,
    all: usize,
    /// Of those that are lost: given up, or with a successor that is counted beside them.
    replaced: usize,
}

impl Share {
    fn troubled(self) -> usize {
        self.lost + self.silent + self.unhealthy
    }

    fn is_above(self, percent: u32) -> bool {
        self.troubled() * 100 > self.all * percent as usize
    }
}

/// What a look at a group's nodes says about its breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    /// So many are in trouble that losses and replacements must stop.
    pub(super) mass: bool,
    /// So few are that they may go on, if that lasts.
    pub(super) calm: bool,
    pub(super) counts: BreakerCounts,
}

impl Group {
    fn of(fleet: &FleetState, key: BreakerKey, now_ms: u64) -> Self {
        let window_ms = fleet.settings().breaker_window_ms;
        let now = LogTime::from_ms(now_ms);
        let breaker = fleet.breaker(&key);
        let opened_ms =
            breaker.and_then(|one| one.opening.as_ref()).map_or(now_ms, |one| one.at.as_ms());
        Self {
            share: Share::default(),
            unhealthy_from_ms: opened_ms.saturating_sub(window_ms),
            forced_closed: breaker.is_some_and(|one| one.is_forced_closed(now)),
            key,
        }
    }

    /// Counts a node once, as the first of what is wrong with it.
    fn count(&mut self, one: &Heard<'_>) {
        let latched_at = one.node.health.latched_at.filter(|_| one.node.health.latched);
        self.share.all += 1;
        self.share.replaced += usize::from(one.replaced);
        if one.node.is_lost() {
            self.share.lost += 1;
        } else if one.silent {
            self.share.silent += 1;
        } else if latched_at.is_some_and(|at| at.as_ms() > self.unhealthy_from_ms) {
            self.share.unhealthy += 1;
        }
    }

    fn counts(&self) -> BreakerCounts {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let Share { lost, silent, unhealthy, all, replaced: _ } = self.share;
        BreakerCounts {
            lost: count(lost),
            silent: count(silent),
            unhealthy: count(unhealthy),
            size: count(all),
        }
    }
}

impl<'a> Shares<'a> {
    pub(super) fn of(fleet: &'a FleetState, heard: &[Heard<'a>], now_ms: u64) -> Self {
        let window_ms = fleet.settings().breaker_window_ms;
        let mut shares = Self {
            settings: fleet.settings(),
            whole: Group::of(fleet, BreakerKey::fleet(), now_ms),
            pools: HashMap::new(),
            zones: HashMap::new(),
            heard: false,
        };
        for one in heard {
            // One that is lost for longer is no sign of trouble that is starting now, and must not keep its breaker
            // open for ever.
            let long_lost = match &one.node.liveness {
                Heartbeat::Lost(loss) => loss.at.plus_ms(window_ms).as_ms() <= now_ms,
                Heartbeat::Beating => false,
            };
            shares.heard |= !(one.silent || one.node.is_lost());
            if long_lost {
                continue;
            }
            let pool = pool_of(one.node);
            let new = || Group::of(fleet, BreakerKey::pool(pool), now_ms);
            shares.pools.entry(pool).or_insert_with(new).count(one);
            let new = || Group::of(fleet, BreakerKey::zone(&one.node.zone_key()), now_ms);
            shares.zones.entry(zone_of(one.node)).or_insert_with(new).count(one);
            shares.whole.count(one);
        }
        shares
    }

    /// Whether nobody at all beats, in a fleet so small that this may well be true.
    pub(super) fn is_lonely(&self) -> bool {
        !self.heard && self.whole.share.all <= FEW
    }

    /// The breaker that stops the loss and the replacement of a node, by what is seen now: the widest one.
    pub(super) fn stops(&self, node: &Node) -> Option<BreakerKey> {
        let groups =
            [Some(&self.whole), self.pools.get(pool_of(node)), self.zones.get(&zone_of(node))];
        let stops = |group: &&Group| !group.forced_closed && self.judge(group).mass;
        groups.into_iter().flatten().find(stops).map(|group| group.key.clone())
    }

    /// How many nodes of a node's pool should be heard; a lost one and its successor are one.
    pub(super) fn pool_size(&self, node: &Node) -> usize {
        let group = self.pools.get(pool_of(node));
        group.map_or(0, |group| group.share.all - group.share.replaced)
    }

    /// All groups that have nodes, and the fleet.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        [&self.whole].into_iter().chain(self.pools.values()).chain(self.zones.values())
    }

    /// What is seen of a group. The whole fleet is stopped when every zone is, or when nobody beats.
    pub(super) fn judge(&self, group: &Group) -> Judgement {
        let is_mostly = |one: &Group| one.share.is_above(self.settings.breaker_open_percent);
        let (mass, calm) = if group.key == self.whole.key {
            let everywhere = !self.heard || self.zones.values().all(is_mostly);
            let somewhere = self.zones.values().any(|zone| self.is_calm(zone.share));
            (everywhere, (self.heard && somewhere) || self.zones.is_empty())
        } else {
            (is_mostly(group), self.is_calm(group.share))
        };
        Judgement { mass: mass && group.share.troubled() > FEW, calm, counts: group.counts() }
    }

    /// One node is no share of a small group that could be told from a coincidence.
    fn is_calm(&self, share: Share) -> bool {
        let troubled = share.troubled();
        troubled <= 1 || troubled * 100 < share.all * self.settings.breaker_close_percent as usize
    }
}
