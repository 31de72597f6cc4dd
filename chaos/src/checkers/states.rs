//! Whether replicas that have applied the same are the same.

use std::collections::BTreeMap;

use super::Findings;

/// What a replica has applied, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedState {
    /// The replica.
    pub replica: String,
    /// The log index up to which it has applied.
    pub index: u64,
    /// The hash of its state there.
    pub hash: String,
}

/// Finds replicas whose states differ at one applied index. Two states at the same index are needed to say anything.
pub fn check(states: &[AppliedState]) -> Findings {
    let mut findings = Findings::default();
    let mut first_at: BTreeMap<u64, &AppliedState> = BTreeMap::new();
    for state in states {
        let Some(first) = first_at.get(&state.index) else {
            first_at.insert(state.index, state);
            continue;
        };
        findings.checked(1);
        findings.expect(first.hash == state.hash, || {
            let AppliedState { replica, index, hash } = state;
            format!(
                "diverged: at index {index} {replica} has {hash}, {} has {}",
                first.replica, first.hash
            )
        });
    }
    if let Some((index, first)) = first_at.first_key_value() {
        findings.figure(format!("{} at {index}", first.hash));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict::{Held, Unknown, Violated};

    /// Without it replicas could drift apart, or one look could pass for a comparison.
    #[test]
    fn states_are_compared_at_equal_indices() {
        let state = |index, hash: &str| AppliedState {
            replica: "r".to_owned(),
            index,
            hash: hash.to_owned(),
        };
        let table = [
            (vec![], Unknown),
            (vec![state(1, "a"), state(2, "b")], Unknown),
            (vec![state(1, "a"), state(1, "a"), state(2, "b")], Held),
            (vec![state(1, "a"), state(2, "c"), state(2, "b")], Violated),
        ];
        for (states, expected) in table {
            assert_eq!(check(&states).verdict(), expected, "{states:?}");
        }
    }
}
