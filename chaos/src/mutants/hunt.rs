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
    /// Why it is not found, where that is known; it is hunted all the same.
    pub gap: Option<&'static str>,
}

/// A fence is needed where a proposal of an older session reaches the log after a newer one has opened. Raft itself lets no
/// deposed leader write, so only a replica that leads again at once could do it.
const DROP_FENCE_GAP: &str = "60 simulated seeds and the steps of all controllers hold no proposal back until its own replica leads \
                              in another session; that the fence works is shown by tests of the fleet alone";

/// A run that bugs are looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Leaders are killed while clients write and read.
    KillsOfLeaders,
    /// All replicas are killed at once.
    KillsOfAll,
    /// Nodes beat whose clocks are wrong.
    Clocks,
    /// Simulated runs, so many at most.
    Simulation(u64),
}

/// All bugs that can be planted.
pub const HUNTS: [Hunt; 6] = [
    Hunt {
        bug: Bug::SkipSync,
        ground: Ground::KillsOfAll,
        found_by: &["acknowledged-kept", "registers-linearizable"],
        limit: Duration::from_secs(4 * 60),
        gap: None,
    },
    Hunt {
        bug: Bug::DropFence,
        ground: Ground::Simulation(60),
        found_by: &["one-session-acts"],
        limit: Duration::from_secs(5 * 60),
        gap: Some(DROP_FENCE_GAP),
    },
    Hunt {
        bug: Bug::CountOnlyRegistered,
        ground: Ground::Simulation(50),
        found_by: &["ordered-within-target"],
        limit: Duration::from_secs(4 * 60),
        gap: None,
    },
    Hunt {
        bug: Bug::ForgetRequestTable,
        ground: Ground::KillsOfLeaders,
        found_by: &["applied-once"],
        limit: Duration::from_secs(3 * 60),
        gap: None,
    },
    Hunt {
        bug: Bug::BuyBeforeIntent,
        ground: Ground::Simulation(50),
        found_by: &["intent-first"],
        limit: Duration::from_secs(4 * 60),
        gap: None,
    },
    Hunt {
        bug: Bug::NodeClockExpiry,
        ground: Ground::Clocks,
        found_by: &["healthy-kept"],
        limit: Duration::from_secs(2 * 60),
        gap: None,
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
