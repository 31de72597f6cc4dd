use super::Invariant;
use crate::{
    checkers::{Findings, states},
    evidence::Evidence,
};

/// Replicas that have applied the same are the same.
#[derive(Clone, Copy, Debug)]
pub struct StatesEqual;

impl Invariant for StatesEqual {
    fn name(&self) -> &'static str {
        "states-equal"
    }

    fn claim(&self) -> &'static str {
        "who applied the same is the same"
    }

    fn check(&self, evidence: &Evidence) -> Findings {
        states::check(&evidence.states)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkers::states::AppliedState,
        record::Verdict::{Held, Violated},
    };

    /// Without it replicas could drift apart, and the run pass.
    #[test]
    fn a_diverged_replica_is_found() {
        for (hash, expected) in [("x", Held), ("y", Violated)] {
            let state = |replica: &str, hash: &str| AppliedState {
                replica: replica.to_owned(),
                index: 4,
                hash: hash.to_owned(),
            };
            let states = vec![state("r1", "x"), state("r2", hash)];
            let evidence = Evidence { states, ..Evidence::default() };
            assert_eq!(StatesEqual.check(&evidence).verdict(), expected);
        }
    }
}
