//! In which order a pool's providers are tried. Pure functions: the counter of the weighted round lives in
//! the log, prices and availability come from the providers.

use std::{cmp::Ordering, str::FromStr};

/// How a pool chooses among its providers (`pools.<name>.strategy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The lowest `priority` first.
    #[default]
    Priority,
    /// The cheapest first.
    Cost,
    /// Whoever says that the type is to be had first.
    Availability,
    /// Turns in proportion to `weight`.
    RoundRobin,
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        match text {
            "" | "priority" => Ok(Self::Priority),
            "cost" => Ok(Self::Cost),
            "availability" => Ok(Self::Availability),
            "round-robin" => Ok(Self::RoundRobin),
            other => Err(UnknownStrategy(other.to_owned())),
        }
    }
}

/// A pool's `strategy` that there is none of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no strategy {0:?}; use priority, cost, availability or round-robin")]
pub struct UnknownStrategy(String);

/// One place where a pool's next machine could be rented.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidate {
    /// Lower is tried first.
    pub priority: i32,
    /// Share of the weighted round; 0: only when all others have failed.
    pub weight: u32,
    /// US dollars an hour, if known.
    pub price_per_hour: Option<f64>,
    /// Whether the provider says that it has one, if it says.
    pub available: Option<bool>,
}

/// The indices of `candidates` in the order in which to try them: each is the fallback of the one before.
/// Ties keep the order of the configuration. `turn` counts this pool's orders and matters to
/// [`Strategy::RoundRobin`] alone.
pub fn rank(strategy: Strategy, candidates: &[Candidate], turn: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    match strategy {
        Strategy::Priority => order.sort_by_key(|&index| candidates[index].priority),
        Strategy::Cost => order.sort_by(|&left, &right| {
            by_price(&candidates[left], &candidates[right])
                .then(candidates[left].priority.cmp(&candidates[right].priority))
        }),
        Strategy::Availability => order.sort_by_key(|&index| {
            let candidate = &candidates[index];
            (availability_rank(candidate.available), candidate.priority)
        }),
        Strategy::RoundRobin => {
            order.sort_by_key(|&index| candidates[index].weight == 0);
            if let Some(first) = holder_of_turn(candidates, turn) {
                let start = order.iter().position(|&index| index == first).unwrap_or(0);
                let weighted = candidates.iter().filter(|one| one.weight > 0).count();
                order[..weighted].rotate_left(start);
            }
        }
    }
    order
}

/// Cheapest first; an unknown price after every known one.
fn by_price(left: &Candidate, right: &Candidate) -> Ordering {
    match (left.price_per_hour, right.price_per_hour) {
        (Some(left), Some(right)) => left.total_cmp(&right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// Silence is worth trying before a plain no.
fn availability_rank(available: Option<bool>) -> u8 {
    match available {
        Some(true) => 0,
        None => 1,
        Some(false) => 2,
    }
}

/// Who holds `turn` of the weighted round. Turns are interleaved, not handed out in blocks: at each turn
/// every candidate gains its weight and the richest one pays the sum of all, so that weights 2 and 1 give
/// A B A, not A A B. Stateless: the round is replayed from its start, at most 10,000 steps.
fn holder_of_turn(candidates: &[Candidate], turn: u64) -> Option<usize> {
    const LONGEST_ROUND: u64 = 10_000;
    let total: u64 = candidates.iter().map(|one| u64::from(one.weight)).sum();
    if total == 0 {
        return None;
    }
    if total > LONGEST_ROUND {
        return holder_in_blocks(candidates, turn % total);
    }
    let mut credit = vec![0_i128; candidates.len()];
    let mut holder = None;
    for _ in 0..=turn % total {
        for (credit, candidate) in credit.iter_mut().zip(candidates) {
            *credit += i128::from(candidate.weight);
        }
        // The first of equals: `max_by_key` alone would take the last.
        let richest = (0..credit.len()).rev().max_by_key(|&index| credit[index])?;
        credit[richest] -= i128::from(total);
        holder = Some(richest);
    }
    holder
}

fn holder_in_blocks(candidates: &[Candidate], mut position: u64) -> Option<usize> {
    for (index, candidate) in candidates.iter().enumerate() {
        match position.checked_sub(u64::from(candidate.weight)) {
            Some(rest) => position = rest,
            None => return Some(index),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    fn candidate(priority: i32, price: Option<f64>, available: Option<bool>) -> Candidate {
        Candidate { priority, weight: 1, price_per_hour: price, available }
    }

    /// Without it a pool would rent from the wrong cloud first.
    #[test]
    fn each_strategy_ranks_by_its_own_measure() {
        let candidates = [
            candidate(3, Some(2.0), Some(false)),
            candidate(1, None, None),
            candidate(2, Some(1.0), Some(true)),
            candidate(1, Some(2.0), Some(true)),
        ];
        let table = [
            (Strategy::Priority, vec![1, 3, 2, 0]),
            (Strategy::Cost, vec![2, 3, 0, 1]),
            (Strategy::Availability, vec![3, 2, 1, 0]),
            (Strategy::RoundRobin, vec![0, 1, 2, 3]),
        ];
        for (strategy, expected) in table {
            assert_eq!(rank(strategy, &candidates, 0), expected, "{strategy:?}");
        }
    }

    /// Without it weights would come in blocks, and a burst of orders would all go to one cloud.
    #[test]
    fn turns_are_interleaved_and_weight_zero_comes_last() {
        let weighted = |weight| Candidate { weight, ..Candidate::default() };
        let candidates = [weighted(0), weighted(2), weighted(1)];
        let firsts: Vec<usize> =
            (0..6).map(|turn| rank(Strategy::RoundRobin, &candidates, turn)[0]).collect();
        assert_eq!(firsts, [1, 2, 1, 1, 2, 1]);
        assert_eq!(rank(Strategy::RoundRobin, &candidates, 1), [2, 1, 0]);
    }

    proptest! {
        /// Without it a round could starve a provider, or a candidate could be lost from the fallbacks.
        #[test]
        fn a_round_gives_each_its_weight(weights in proptest::collection::vec(0_u32..9, 1..6)) {
            let candidates: Vec<Candidate> = weights
                .iter()
                .map(|&weight| Candidate { weight, ..Candidate::default() })
                .collect();
            let total: u32 = weights.iter().sum();
            let mut firsts = vec![0_u32; weights.len()];
            for turn in 0..u64::from(total) {
                let mut order = rank(Strategy::RoundRobin, &candidates, turn);
                firsts[order[0]] += 1;
                order.sort_unstable();
                prop_assert_eq!(order, (0..weights.len()).collect::<Vec<_>>());
            }
            prop_assert_eq!(firsts, weights);
        }
    }
}
