use std::time::Duration;

use navarch_host::planted::Bug;

/// A bug, where it is looked for, and what must find it.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// The bug.
    pub bug: Bug,
    /// The run that should find it.
    pub ground: Ground,
    /// The invariants one of which must be found broken.
    pub found_by: &'static [&'static str],
    /// How long it may take.
    pub limit: Duration,
}

/// A run that bugs are looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Leaders are killed while clients write and read.
    KillsOfLeaders,
    /// All replicas are killed at once.
    KillsOfAll,
    /// Leaders die at every step of their controllers, and are frozen.
    Steps,
    /// Nodes beat whose clocks are wrong.
    Clocks,
}

/// All bugs that can be planted.
pub const HUNTS: [Hunt; 6] = [
    Hunt {
        bug: Bug::SkipSync,
        ground: Ground::KillsOfAll,
        found_by: &["acknowledged-kept", "registers-linearizable"],
        limit: Duration::from_secs(4 * 60),
    },
    Hunt {
        bug: Bug::DropFence,
        ground: Ground::Steps,
        found_by: &["one-session-acts"],
        limit: Duration::from_secs(12 * 60),
    },
    Hunt {
        bug: Bug::CountOnlyRegistered,
        ground: Ground::Steps,
        found_by: &["ordered-within-target"],
        limit: Duration::from_secs(12 * 60),
    },
    Hunt {
        bug: Bug::ForgetRequestTable,
        ground: Ground::KillsOfLeaders,
        found_by: &["applied-once"],
        limit: Duration::from_secs(3 * 60),
    },
    Hunt {
        bug: Bug::BuyBeforeIntent,
        ground: Ground::Steps,
        found_by: &["intent-first"],
        limit: Duration::from_secs(12 * 60),
    },
    Hunt {
        bug: Bug::NodeClockExpiry,
        ground: Ground::Clocks,
        found_by: &["healthy-kept"],
        limit: Duration::from_secs(2 * 60),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants;

    /// Without it a bug could be planted that nobody looks for, or be looked for under a name that no invariant has.
    #[test]
    fn every_bug_is_hunted_by_invariants_that_exist() {
        let hunted = HUNTS.map(|hunt| hunt.bug);
        assert_eq!(hunted, Bug::ALL);
        let names = invariants::all().map(|invariant| invariant.name());
        for Hunt { bug, found_by, .. } in HUNTS {
            assert!(!found_by.is_empty(), "{bug:?}");
            assert!(found_by.iter().all(|name| names.contains(name)), "{bug:?}: {found_by:?}");
        }
    }
}
