use std::time::Duration;

use navarch_host::Chance;

use super::{Draws, Scenario};

/// One fault of a performance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Act {
    /// When it begins, from the start.
    pub at: Duration,
    /// When it is healed.
    pub until: Duration,
    /// Its name in the catalogue.
    pub fault: String,
}

/// Which fault begins when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they begin.
    pub acts: Vec<Act>,
}

impl Plan {
    /// What `scenario` comes to with `seed`: always the same.
    pub fn of(scenario: &Scenario, seed: u64) -> Self {
        let mut acts: Vec<_> = scenario
            .steps
            .iter()
            .map(|step| Act { at: step.at, until: step.at + step.lasts, fault: step.fault.clone() })
            .collect();
        if let Some(draws) = &scenario.random {
            acts.extend(drawn(draws, scenario.length, &Chance::seeded(seed)));
        }
        acts.sort();
        Self { acts }
    }
}

/// One after the other, as many as end in time. Each fault comes once before any comes again.
fn drawn(draws: &Draws, length: Duration, chance: &Chance) -> Vec<Act> {
    let around = |mean: Duration| mean / 2 + mean.mul_f64(chance.share());
    let (mut acts, mut left, mut now) = (Vec::new(), Vec::new(), around(draws.every));
    loop {
        let until = now + around(draws.lasts);
        if until > length {
            return acts;
        }
        if left.is_empty() {
            left.clone_from(&draws.faults);
        }
        let fault = left.swap_remove(chance.below(left.len()));
        acts.push(Act { at: now, until, fault });
        now = until + around(draws.every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
name: a
for: 120s
load: {clients: 2}
steps: [{at: 5s, fault: kill-all, for: 1s}]
random: {every: 2s, for: 1s, faults: [kill-leader, pause-leader, bridge]}
";

    /// Without it a seed that found something could not be run again, or every seed would be one.
    #[test]
    fn a_seed_decides() {
        let scenario = Scenario::parse(TEXT).unwrap();
        let plan = Plan::of(&scenario, 7);
        assert_eq!(plan, Plan::of(&scenario, 7));
        assert_ne!(plan, Plan::of(&scenario, 8));
        assert!(plan.acts.is_sorted_by_key(|act| act.at));
        assert!(plan.acts.iter().all(|act| act.at < act.until));
        assert!(plan.acts.iter().all(|act| act.until <= scenario.length));
        let count = |name: &str| plan.acts.iter().filter(|act| act.fault == name).count();
        assert_eq!(count("kill-all"), 1);
        let drawn = ["kill-leader", "pause-leader", "bridge"].map(count);
        assert!(drawn.iter().all(|&times| times > 5), "{drawn:?}");
        assert!(drawn.iter().max().unwrap() - drawn.iter().min().unwrap() <= 1, "{drawn:?}");
    }
}
