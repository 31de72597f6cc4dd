//! Bugs that are planted on purpose, to see whether the suite that looks for bugs finds them. They exist in builds
//! with the feature `planted-bugs` alone; in all others [`is`] is false when the program is compiled, and nothing of
//! them is left.

/// The environment variable that names the one bug which a process with planted bugs has.
pub const VARIABLE: &str = "NAVARCH_PLANTED_BUG";

/// Whether a process of this build can have one.
pub const POSSIBLE: bool = cfg!(feature = "planted-bugs");

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The log acknowledges entries that it only syncs with the next ones.
    SkipSync,
    /// What a controller proposes is not fenced: one of an older session still acts.
    DropFence,
    /// A pool counts the machines whose nodes have registered, and none that are ordered or boot.
    CountOnlyRegistered,
    /// A call that is sent again under its request id takes effect again.
    ForgetRequestTable,
    /// A machine is bought before the decision to buy it is in the log.
    BuyBeforeIntent,
    /// Whether a node is silent is judged by the node's own clock.
    NodeClockExpiry,
}

impl Bug {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::SkipSync,
        Self::DropFence,
        Self::CountOnlyRegistered,
        Self::ForgetRequestTable,
        Self::BuyBeforeIntent,
        Self::NodeClockExpiry,
    ];

    /// As [`VARIABLE`] names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SkipSync => "skip-sync",
            Self::DropFence => "drop-fence",
            Self::CountOnlyRegistered => "count-only-registered",
            Self::ForgetRequestTable => "forget-request-table",
            Self::BuyBeforeIntent => "buy-before-intent",
            Self::NodeClockExpiry => "node-clock-expiry",
        }
    }
}

/// Whether this process has `bug`.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}

/// Whether this process has `bug`.
#[cfg(feature = "planted-bugs")]
pub fn is(bug: Bug) -> bool {
    static PLANTED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    PLANTED.get_or_init(|| std::env::var(VARIABLE).ok()).as_deref() == Some(bug.name())
}

#[cfg(all(test, not(feature = "planted-bugs")))]
mod tests {
    use super::*;

    /// Without it a default build could have a bug that somebody planted.
    #[test]
    fn default_builds_have_none() {
        const NONE: bool = is(Bug::SkipSync);
        const { assert!(!NONE) };
        assert!(Bug::ALL.iter().all(|bug| !is(*bug)));
    }
}
