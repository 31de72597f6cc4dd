use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Party;

/// What happens to what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is held back until the rule goes, as by a black hole: nobody is told.
    Stall,
    /// Connections are reset, and so is each new one.
    Reset,
    /// The one that was called is told that the connection has ended, the caller hears nothing more.
    HalfOpen,
    /// It arrives later.
    Delay(Duration),
    /// So many bytes a second arrive.
    Rate(u64),
    /// For so long all of it is held back, for so long nothing, and so on.
    Flap(Duration),
}

/// What happens in some directions.
#[derive(Clone, Debug)]
pub struct Rule {
    /// From whom to whom.
    pub roads: BTreeSet<(Party, Party)>,
    /// What happens there.
    pub effect: Effect,
}

/// Names a rule in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(pub(super) u64);

/// How often a rule has met something: chunks of bytes held, delayed or slowed, connections cut. What nobody
/// has met has had no effect.
#[derive(Clone, Debug, Default)]
pub struct Touch(Arc<AtomicU64>);

impl Touch {
    /// How often.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A rule in force.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    pub(super) id: RuleId,
    pub(super) rule: Rule,
    pub(super) touch: Touch,
}

/// What all rules together make of one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Road {
    pub(super) stalled: bool,
    pub(super) reset: bool,
    pub(super) half_open: bool,
    pub(super) delay: Duration,
    pub(super) rate: Option<u64>,
    pub(super) flap: Option<Duration>,
    touches: Vec<Touch>,
}

impl Road {
    /// What `rules` make of the direction `from` somebody `to` somebody.
    pub(super) fn of(rules: &[InForce], from: Party, to: Party) -> Self {
        let mut road = Self::default();
        for InForce { rule, touch, .. } in rules {
            if !rule.roads.contains(&(from, to)) {
                continue;
            }
            road.touches.push(touch.clone());
            match rule.effect {
                Effect::Stall => road.stalled = true,
                Effect::Reset => road.reset = true,
                Effect::HalfOpen => road.half_open = true,
                Effect::Flap(period) => road.flap = Some(period),
                Effect::Delay(delay) => road.delay += delay,
                Effect::Rate(rate) => road.rate = Some(road.rate.map_or(rate, |low| low.min(rate))),
            }
        }
        road
    }

    /// How long what comes at `wall_ms` is held back by flapping.
    pub(super) fn flaps_for(&self, wall_ms: u64) -> Duration {
        let period_ms = self.flap.and_then(|flap| u64::try_from(flap.as_millis()).ok());
        match period_ms.filter(|period_ms| *period_ms > 0) {
            Some(period_ms) if (wall_ms / period_ms).is_multiple_of(2) => {
                Duration::from_millis(period_ms - wall_ms % period_ms)
            }
            Some(_) | None => Duration::ZERO,
        }
    }

    /// Notes that something went this way and met the rules.
    pub(super) fn touch(&self) {
        self.touches.iter().for_each(Touch::add);
    }
}

/// All directions from one of `from` to one of `to`.
pub fn between(from: &[Party], to: &[Party]) -> BTreeSet<(Party, Party)> {
    let pairs = from.iter().flat_map(|&from| to.iter().map(move |&to| (from, to)));
    pairs.filter(|(from, to)| from != to).collect()
}

/// All directions between one of `left` and one of `right`.
pub fn both_ways(left: &[Party], right: &[Party]) -> BTreeSet<(Party, Party)> {
    between(left, right).into_iter().chain(between(right, left)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it one fault's end would end another's, or a rule would strike the way back.
    #[test]
    fn rules_add_up_in_their_direction_alone() {
        let [one, two] = [Party::Replica(0), Party::Replica(1)];
        let in_force = |id, effect| InForce {
            id: RuleId(id),
            rule: Rule { roads: between(&[one], &[two]), effect },
            touch: Touch::default(),
        };
        let delay = Duration::from_millis(5);
        let rules = [
            in_force(1, Effect::Delay(delay)),
            in_force(2, Effect::Delay(delay)),
            in_force(3, Effect::Rate(10)),
            in_force(4, Effect::Rate(7)),
            in_force(5, Effect::Stall),
        ];
        let road = Road::of(&rules, one, two);
        assert!(road.stalled && !road.reset && !road.half_open);
        assert_eq!((road.delay, road.rate), (delay * 2, Some(7)));
        road.touch();
        assert!(rules.iter().all(|rule| rule.touch.count() == 1));
        let flapping = Road { flap: Some(Duration::from_millis(100)), ..Road::default() };
        let held = [0, 99, 100, 199, 250].map(|wall_ms| flapping.flaps_for(wall_ms).as_millis());
        assert_eq!(held, [100, 1, 0, 0, 50]);
        let back = Road::of(&rules, two, one);
        assert!(!back.stalled && back.delay.is_zero() && back.rate.is_none());
        assert_eq!(both_ways(&[one], &[one, two]).len(), 2);
    }
}
