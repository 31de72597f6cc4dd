use std::fmt;

use super::snapshot::{Journal, PoolLook, Snapshot};
use crate::config::format_millis;

/// Something that must hold.
#[derive(Clone, Debug)]
pub(super) struct Assertion {
    /// What a person calls it.
    pub(super) name: String,
    /// When.
    pub(super) when: When,
    /// What.
    pub(super) claim: Claim,
}

/// When an assertion must hold; milliseconds after the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// At that time.
    At(u64),
    /// At some time from the first to the second.
    Within(u64, u64),
    /// At every second from the first to the second.
    Throughout(u64, u64),
}

/// A number that must lie within limits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Range {
    /// At least; none: no limit.
    pub(super) min: Option<f64>,
    /// At most; none: no limit.
    pub(super) max: Option<f64>,
}

/// What must hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Claim {
    /// A pool is of that size.
    Pool {
        /// The pool.
        name: String,
        /// Its target.
        target: Option<Range>,
        /// Its size: running, booting and ordered machines.
        size: Option<Range>,
        /// Its healthy nodes.
        healthy: Option<Range>,
    },
    /// So many nodes were declared lost so far.
    LostNodes(Range),
    /// So many machines were ordered to take the place of others so far.
    Replacements(Range),
    /// So many machines were bought so far.
    MachinesBought(Range),
    /// So many dollars were spent so far.
    Spending(Range),
    /// A provider has so many machines.
    Instances {
        /// The provider.
        provider: String,
        /// Of that pool alone.
        pool: Option<String>,
        /// How many.
        count: Range,
    },
    /// The journal has so many events of a kind so far.
    Event {
        /// The kind.
        kind: String,
        /// Of that subject alone.
        subject: Option<String>,
        /// How many.
        count: Range,
    },
    /// A pool never had more machines at once so far.
    Peak {
        /// The pool.
        pool: String,
        /// At most so many.
        max: u32,
    },
    /// No order was ever answered with two machines.
    NothingBoughtTwice,
}

/// Whether a claim holds now, and what was seen.
pub(super) struct Finding {
    pub(super) holds: bool,
    pub(super) evidence: String,
}

impl Range {
    fn holds(self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }

    fn find(self, what: &str, value: f64) -> Finding {
        Finding { holds: self.holds(value), evidence: format!("{what} {}", rounded(value)) }
    }
}

impl Claim {
    /// Looks whether it holds.
    pub(super) fn find(&self, now: &Snapshot, journal: &Journal) -> Finding {
        match self {
            Self::Pool { name, target, size, healthy } => pool(
                now.pools.get(name),
                [("target", *target), ("size", *size), ("healthy", *healthy)],
            ),
            Self::LostNodes(range) => {
                range.find("lost nodes:", count(journal.count("node-lost", None)))
            }
            Self::Replacements(range) => range.find("replacements:", count(journal.replacements)),
            Self::MachinesBought(range) => range.find("machines bought:", count(now.bought)),
            Self::Spending(range) => range.find("dollars spent:", now.spending),
            Self::Instances { provider, pool, count: range } => {
                let ours = now.machines.iter().filter(|((of, in_pool), _)| {
                    of == provider && pool.as_ref().is_none_or(|pool| pool == in_pool)
                });
                let there = ours.map(|(_, count)| *count).sum();
                range.find(&format!("machines at {provider}:"), count(there))
            }
            Self::Event { kind, subject, count: range } => {
                let seen = journal.count(kind, subject.as_deref());
                range.find(&format!("events {kind}:"), count(seen))
            }
            Self::Peak { pool, max } => {
                let peak = now.pools.get(pool).map_or(0, |pool| pool.peak);
                Finding { holds: peak <= *max, evidence: format!("at most {peak} at once") }
            }
            Self::NothingBoughtTwice => Finding {
                holds: now.bought_twice.is_empty(),
                evidence: match now.bought_twice.as_slice() {
                    [] => "each order has one machine".to_owned(),
                    twice => format!("bought twice: {}", twice.join(", ")),
                },
            },
        }
    }
}

fn pool(look: Option<&PoolLook>, wanted: [(&str, Option<Range>); 3]) -> Finding {
    let Some(look) = look else {
        return Finding { holds: false, evidence: "there is no such pool".to_owned() };
    };
    let seen = [look.target, look.size, look.healthy];
    let asked = wanted.iter().zip(seen);
    let asked = asked.filter_map(|((what, range), seen)| range.map(|range| (what, range, seen)));
    let holds = asked.clone().all(|(_, range, seen)| range.holds(count(seen)));
    let evidence: Vec<_> = asked.map(|(what, _, seen)| format!("{what} {seen}")).collect();
    Finding { holds, evidence: evidence.join(", ") }
}

fn count(number: u32) -> f64 {
    f64::from(number)
}

/// Whole numbers as such, dollars with cents.
fn rounded(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.2}") }
}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::At(at) => write!(formatter, "at {}", format_millis(at)),
            Self::Within(from, until) => {
                write!(formatter, "once in {} to {}", format_millis(from), format_millis(until))
            }
            Self::Throughout(from, until) => {
                write!(formatter, "all of {} to {}", format_millis(from), format_millis(until))
            }
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => write!(formatter, "{min}"),
            (Some(min), Some(max)) => write!(formatter, "{min} to {max}"),
            (Some(min), None) => write!(formatter, "at least {min}"),
            (None, Some(max)) => write!(formatter, "at most {max}"),
            (None, None) => formatter.write_str("any"),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool { name, target, size, healthy } => {
                write!(formatter, "pool {name}:")?;
                let parts = [("target", target), ("size", size), ("healthy", healthy)];
                let given = parts.iter().filter_map(|(what, range)| range.map(|one| (what, one)));
                let given: Vec<_> = given.map(|(what, range)| format!(" {what} {range}")).collect();
                formatter.write_str(&given.join(","))
            }
            Self::LostNodes(range) => write!(formatter, "lost nodes: {range}"),
            Self::Replacements(range) => write!(formatter, "replacements: {range}"),
            Self::MachinesBought(range) => write!(formatter, "machines bought: {range}"),
            Self::Spending(range) => write!(formatter, "dollars spent: {range}"),
            Self::Instances { provider, pool: None, count } => {
                write!(formatter, "machines at {provider}: {count}")
            }
            Self::Instances { provider, pool: Some(pool), count } => {
                write!(formatter, "machines of {pool} at {provider}: {count}")
            }
            Self::Event { kind, subject: None, count } => {
                write!(formatter, "events {kind}: {count}")
            }
            Self::Event { kind, subject: Some(subject), count } => {
                write!(formatter, "events {kind} of {subject}: {count}")
            }
            Self::Peak { pool, max } => {
                write!(formatter, "pool {pool}: never more than {max} machines")
            }
            Self::NothingBoughtTwice => formatter.write_str("nothing bought twice"),
        }
    }
}
