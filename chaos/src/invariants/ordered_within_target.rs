use std::collections::BTreeMap;

use navarch_proto::{api::FleetEvent, timestamp::to_unix_ms};

use super::Invariant;
use crate::{checkers::Findings, evidence::Evidence};

/// For how long a target that was lowered may still be bought for: whoever decides on orders looked a moment before.
const LATE_MS: u64 = 10_000;

/// No machine is ordered beyond a pool's target, counting what is ordered, boots or runs. A machine that replaces
/// another counts with it as one.
#[derive(Clone, Copy, Debug)]
pub struct OrderedWithinTarget;

impl Invariant for OrderedWithinTarget {
    fn name(&self) -> &'static str {
        "ordered-within-target"
    }

    fn claim(&self) -> &'static str {
        "no machine is ordered beyond a pool's target"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        let mut findings = Findings::default();
        if evidence.journals.is_empty() {
            return findings;
        }
        if !evidence.has_whole_journal() {
            findings.undecided("no journal goes back to the first event");
            return findings;
        }
        let mut books = Books::default();
        for event in evidence.journal() {
            if let Some((pool, size, target)) = books.take(event) {
                findings.checked(1);
                findings.expect(size <= target, || {
                    format!("{} makes {size} of pool {pool}, which wants {target}", event.subject)
                });
            }
        }
        findings.figure(format!("orders of {} pools", books.pools.len()));
        findings
    }
}

/// What the journal has told so far.
#[derive(Default)]
struct Books<'a> {
    pools: BTreeMap<&'a str, Targets>,
    /// Instances that are ordered, boot or run, each with its pool and the machine that it replaces.
    live: BTreeMap<&'a str, (&'a str, Option<&'a str>)>,
}

/// The present target of a pool, and earlier ones with the millisecond at which each ended.
#[derive(Default)]
struct Targets {
    present: u64,
    past: Vec<(u64, u64)>,
}

impl<'a> Books<'a> {
    /// Answers, for an order that replaces nothing, its pool, how many that has with it, and how many it wants.
    fn take(&mut self, event: &'a FleetEvent) -> Option<(&'a str, u64, u64)> {
        let change = |field: &str| event.changes.iter().find(|change| change.field == field);
        let after = |field: &str| change(field).map(|change| change.after.as_str());
        let at_ms = event.time.as_ref().map_or(0, to_unix_ms);
        let instance = event.subject.strip_prefix("instance/").unwrap_or_default();
        match event.kind.as_str() {
            "instance-requested" | "instance-adopted" => {
                let pool = after("pool").unwrap_or_default();
                let replaces = after("replaces").filter(|replaced| !replaced.is_empty());
                self.live.insert(instance, (pool, replaces));
                let counts = event.kind == "instance-requested" && replaces.is_none();
                return counts.then(|| (pool, self.size(pool), self.wanted(pool, at_ms)));
            }
            "instance-terminating" | "instance-failed" | "instance-terminated" => {
                self.live.remove(instance);
            }
            "replacement-cancelled" => {
                let by = change("replaced_by").map(|change| change.before.as_str());
                if let Some((_, replaces)) = by.and_then(|by| self.live.get_mut(by)) {
                    *replaces = None;
                }
            }
            _ => {
                let pool = event.subject.strip_prefix("pool/");
                let target = after("target").and_then(|target| target.parse().ok());
                if let (Some(pool), Some(target)) = (pool, target) {
                    let targets = self.pools.entry(pool).or_default();
                    targets.past.push((targets.present, at_ms));
                    targets.present = target;
                }
            }
        }
        None
    }

    fn size(&self, pool: &str) -> u64 {
        let of_pool = self.live.values().filter(|(of, _)| *of == pool);
        let once = |(_, replaces): &&(&str, Option<&str>)| {
            replaces.is_none_or(|replaced| !self.live.contains_key(replaced))
        };
        of_pool.filter(once).count() as u64
    }

    /// The largest target that may still be bought for.
    fn wanted(&self, pool: &str, at_ms: u64) -> u64 {
        let Some(targets) = self.pools.get(pool) else { return 0 };
        let late = targets.past.iter().filter(|(_, ended_ms)| ended_ms + LATE_MS >= at_ms);
        late.map(|(target, _)| *target).fold(targets.present, u64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::samples::{changing, event, told},
        record::Verdict::{Held, Unknown, Violated},
    };

    fn target(at: u64, target: &str) -> FleetEvent {
        changing(event(at, "pool/a", "pool-scaled", ""), "target", target)
    }

    fn order(at: u64, id: &str, replaces: &str) -> FleetEvent {
        let requested = event(at, &format!("instance/{id}"), "instance-requested", "");
        changing(changing(requested, "pool", "a"), "replaces", replaces)
    }

    fn end(at: u64, id: &str) -> FleetEvent {
        event(at, &format!("instance/{id}"), "instance-terminating", "")
    }

    /// Without it machines that are ordered and do not run yet could be ordered again and again.
    #[test]
    fn orders_beyond_the_target_are_found() {
        let late = |at: u64| FleetEvent { index: 4, ..order(at, "i2", "") };
        let table = [
            (vec![], Unknown),
            (vec![target(1, "1"), order(2, "i1", "")], Held),
            (vec![target(1, "1"), order(2, "i1", ""), order(3, "i2", "")], Violated),
            (vec![target(1, "1"), order(2, "i1", ""), end(3, "i1"), order(4, "i2", "")], Held),
            (vec![target(1, "1"), order(2, "i1", ""), order(3, "i2", "i1")], Held),
            (
                vec![target(1, "1"), order(2, "i1", ""), order(3, "i2", "i1"), order(4, "i3", "")],
                Violated,
            ),
            (vec![target(1, "2"), order(2, "i1", ""), target(3, "1"), late(4)], Held),
            (vec![target(1, "2"), order(2, "i1", ""), target(3, "1"), late(20_000)], Violated),
            (vec![target(5, "1"), order(6, "i1", "")], Unknown),
        ];
        for (journal, expected) in table {
            let evidence = told(journal, Vec::new());
            assert_eq!(OrderedWithinTarget.check(&evidence).verdict(), expected, "{evidence:?}");
        }
    }
}
