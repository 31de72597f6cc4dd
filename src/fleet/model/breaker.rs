use std::{borrow::Cow, fmt, sync::Arc};

use crate::{ids::Revision, limits::RETAIN_BREAKERS_MS, time::LogTime};

/// What a breaker stands between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakerScope {
    /// All nodes.
    Fleet,
    /// The nodes of a pool; those without one make a group of their own.
    Pool,
    /// The nodes of a zone.
    Zone,
}

impl BreakerScope {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Fleet, Self::Pool, Self::Zone];

    /// As it is called on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fleet => "fleet",
            Self::Pool => "pool",
            Self::Zone => "zone",
        }
    }
}

/// Whose breaker it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BreakerKey {
    /// What it stands between.
    pub scope: BreakerScope,
    /// The pool, or the zone as [`Zone`] shows it; empty: the fleet, or the nodes without a pool.
    pub name: Arc<str>,
}

impl BreakerKey {
    /// The fleet's.
    pub fn fleet() -> Self {
        Self { scope: BreakerScope::Fleet, name: Arc::default() }
    }

    /// A pool's; of the nodes without one, if the name is empty.
    pub fn pool(name: &str) -> Self {
        Self { scope: BreakerScope::Pool, name: Arc::from(name) }
    }

    /// A zone's.
    pub fn zone(zone: &Zone) -> Self {
        Self { scope: BreakerScope::Zone, name: zone.to_string().into() }
    }
}

impl fmt::Display for BreakerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            BreakerScope::Fleet => formatter.write_str("the fleet"),
            BreakerScope::Pool if self.name.is_empty() => {
                formatter.write_str("the nodes without a pool")
            }
            BreakerScope::Pool => write!(formatter, "pool {}", self.name),
            BreakerScope::Zone => write!(formatter, "zone {}", self.name),
        }
    }
}

/// Where nodes share power and network. Two clouds may call their zones the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Zone {
    /// Whose zone it is.
    pub provider: Arc<str>,
    /// In which region.
    pub region: Arc<str>,
    /// Its bare name.
    pub zone: Arc<str>,
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [provider, region, zone] = [&self.provider, &self.region, &self.zone].map(escaped);
        write!(formatter, "{provider}/{region}/{zone}")
    }
}

/// A name without a slash of its own, or two zones could be shown alike: agents name them as they like.
fn escaped(name: &Arc<str>) -> Cow<'_, str> {
    match name.contains(['/', '%']) {
        true => name.replace('%', "%25").replace('/', "%2F").into(),
        false => (&**name).into(),
    }
}

/// How many nodes of a group are in trouble; one that is so in several ways counts once, as the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerCounts {
    /// Declared lost.
    pub lost: u32,
    /// Not heard from, or missing at their provider.
    pub silent: u32,
    /// Latched unhealthy.
    pub unhealthy: u32,
    /// All that should be heard.
    pub size: u32,
}

/// How a breaker came to be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// When.
    pub at: LogTime,
    /// Why, in words.
    pub reason: Arc<str>,
    /// What was counted then.
    pub counts: BreakerCounts,
    /// Since when the share has stayed low; none: it does not.
    pub calm_since: Option<LogTime>,
}

/// An operator decides in a breaker's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerOverride {
    /// Open: losses and replacements are stopped; closed: they go on.
    pub open: bool,
    /// When it was set.
    pub at: LogTime,
    /// Until when it holds.
    pub until: LogTime,
    /// Why.
    pub reason: Arc<str>,
    /// Who set it.
    pub actor: Arc<str>,
}

/// Stops losses and replacements of a group while so many of its nodes are in trouble that the cause is likely not
/// theirs. One that was never opened nor overridden has no record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Raised by each change of the record.
    pub revision: Revision,
    /// Some: it is open, unless an override says otherwise.
    pub opening: Option<Opening>,
    /// When losses last went on again: silence from before does not count against a node.
    pub resumed_at: Option<LogTime>,
    /// The last override, which may have run out.
    pub forced: Option<BreakerOverride>,
}

impl Breaker {
    /// The override that holds.
    pub fn force(&self, now: LogTime) -> Option<&BreakerOverride> {
        self.forced.as_ref().filter(|forced| forced.until > now)
    }

    /// Whether an operator has it that losses and replacements go on.
    pub fn is_forced_closed(&self, now: LogTime) -> bool {
        self.force(now).is_some_and(|forced| !forced.open)
    }

    /// Whether losses and replacements are stopped.
    pub fn is_open(&self, now: LogTime) -> bool {
        self.force(now).map_or(self.opening.is_some(), |forced| forced.open)
    }

    /// Since when, if it is.
    pub fn open_since(&self, now: LogTime) -> Option<LogTime> {
        match (self.force(now), &self.opening) {
            (Some(forced), _) if !forced.open => None,
            (Some(forced), opening) => Some(opening.as_ref().map_or(forced.at, |one| one.at)),
            (None, opening) => opening.as_ref().map(|opening| opening.at),
        }
    }

    /// Why it is open, or forced closed.
    pub fn reason(&self, now: LogTime) -> &str {
        match (self.force(now), &self.opening) {
            (Some(forced), _) => &forced.reason,
            (None, Some(opening)) => &opening.reason,
            (None, None) => "",
        }
    }

    /// From when on silence counts again, an override to open that ran out by itself included.
    pub fn resumed(&self, now: LogTime) -> Option<LogTime> {
        let ran_out = self.forced.as_ref().filter(|forced| forced.open && forced.until <= now);
        self.resumed_at.max(ran_out.map(|forced| forced.until))
    }

    /// When nothing depends on its record any more; none: something does.
    pub(crate) fn forgotten_at(&self) -> Option<LogTime> {
        let is_at_rest = self.opening.is_none() && self.forced.is_none();
        is_at_rest.then(|| self.resumed_at.unwrap_or_default().plus_ms(RETAIN_BREAKERS_MS))
    }
}

#[cfg(test)]
#[path = "breaker_test.rs"]
mod tests;
