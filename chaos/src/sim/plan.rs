use std::time::Duration;

use navarch_host::Chance;

use super::{
    fault::{Fault, FaultKind},
    kept::Kept,
};
use crate::report::millis_of;

/// Before that the group forms and buys its first machines.
const FIRST: Duration = Duration::from_secs(8);
/// Faults of a plan.
const FEWEST: usize = 4;
const MOST: usize = 9;
/// How long a fault lasts.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);
/// Between two faults of the same ground.
const REST: Duration = Duration::from_secs(1);

/// Which faults strike a run when, drawn from its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In the order of time.
    pub faults: Vec<Fault>,
    /// When the last is healed at the latest: the end of the first phase.
    pub heals: Duration,
}

impl Plan {
    /// The plan of `seed`, for a first phase of `length`. Every kind of fault is as likely as any other; two of one ground
    /// never overlap.
    pub fn draw(seed: u64, length: Duration) -> Self {
        let chance = Chance::seeded(seed);
        let count = FEWEST + chance.below(MOST - FEWEST + 1);
        let mut faults: Vec<Fault> = Vec::new();
        for _ in 0..count {
            let kind = FaultKind::ALL[chance.below(FaultKind::ALL.len())];
            let room = length.saturating_sub(FIRST + SHORTEST);
            let from = FIRST + room.mul_f64(chance.share());
            let lasts = SHORTEST + (LONGEST - SHORTEST).mul_f64(chance.share().powi(2));
            let until = (from + lasts).min(length);
            let fault = Fault { kind, from: whole_ms(from), until: whole_ms(until) };
            if faults.iter().all(|other| stand_apart(other, &fault)) {
                faults.push(fault);
            }
        }
        faults.sort_by_key(|fault| fault.from);
        Self { faults, heals: length }
    }

    /// The same with only the faults that are kept.
    #[must_use]
    pub fn only(&self, kept: &Kept) -> Self {
        let numbered = self.faults.iter().enumerate();
        let faults = numbered.filter(|(number, _)| kept.has(*number)).map(|(_, fault)| *fault);
        Self { faults: faults.collect(), heals: self.heals }
    }
}

fn stand_apart(one: &Fault, other: &Fault) -> bool {
    one.kind.ground() != other.kind.ground()
        || one.until + REST < other.from
        || other.until + REST < one.from
}

fn whole_ms(duration: Duration) -> Duration {
    Duration::from_millis(millis_of(duration))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Without it a seed would be another run each time, or some faults would never strike.
    #[test]
    fn plans_repeat_and_all_of_them_have_every_fault() {
        let length = Duration::from_secs(60);
        assert_eq!(Plan::draw(7, length), Plan::draw(7, length));
        let mut kinds = BTreeSet::new();
        for seed in 0..200 {
            let plan = Plan::draw(seed, length);
            assert!(!plan.faults.is_empty(), "seed {seed}");
            for (number, fault) in plan.faults.iter().enumerate() {
                assert!(fault.from < fault.until && fault.until <= length, "{fault:?}");
                let later = plan.faults.iter().skip(number + 1);
                assert!(later.clone().all(|other| stand_apart(fault, other)), "seed {seed}");
            }
            kinds.extend(plan.faults.iter().map(|fault| fault.kind));
        }
        assert_eq!(kinds.len(), FaultKind::ALL.len());
    }

    /// Without it a run could not be replayed with fewer faults.
    #[test]
    fn a_plan_can_keep_some_of_its_faults() {
        let plan = Plan::draw(3, Duration::from_secs(60));
        let two = plan.only(&Kept::first(3).without(1));
        assert_eq!(two.faults, [plan.faults[0], plan.faults[2]]);
        assert_eq!(two.heals, plan.heals);
    }
}
