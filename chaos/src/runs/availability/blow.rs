use clap::ValueEnum;

/// A fault whose cost to clients is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Blow {
    /// The leader is killed with -9
    Kill,
    /// The leader stands still past its lease, then goes on
    Pause,
    /// All links between the leader and the other replicas are cut
    Isolate,
    /// The leader is told to hand over
    Transfer,
    /// Each replica in turn is stopped with SIGTERM and started again
    RollingRestart,
    /// Each replica in turn is stopped with SIGTERM and started again as another build
    RollingUpgrade,
}

impl Blow {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Kill,
        Self::Pause,
        Self::Isolate,
        Self::Transfer,
        Self::RollingRestart,
        Self::RollingUpgrade,
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Isolate => "isolate",
            Self::Transfer => "transfer",
            Self::RollingRestart => "rolling-restart",
            Self::RollingUpgrade => "rolling-upgrade",
        }
    }

    /// The fault's name in the catalogue.
    pub(super) fn fault(self) -> &'static str {
        match self {
            Self::Kill => "kill-leader",
            Self::Pause => "pause-leader",
            Self::Isolate => "isolate-leader",
            Self::Transfer => "transfer-leader",
            Self::RollingRestart => "rolling-restart",
            Self::RollingUpgrade => "rolling-upgrade",
        }
    }

    /// Whether each replica is struck in turn, whoever leads.
    pub(super) fn rolls(self) -> bool {
        matches!(self, Self::RollingRestart | Self::RollingUpgrade)
    }

    /// Whether the leader is asked, so that it can hand over before it goes.
    pub(super) fn asks(self) -> bool {
        self.rolls() || self == Self::Transfer
    }
}

/// What clients do while the group is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// Nothing but the write that measures. Where the leader hands over, one client that writes again once it is
    /// answered: without it there would be nothing that could wait.
    Idle,
    /// Many clients that write again once they are answered.
    Loaded,
}

impl Load {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Loaded => "loaded",
        }
    }

    /// Clients that write all the time.
    pub(super) fn clients(self, blow: Blow, many: usize) -> usize {
        match self {
            Self::Loaded => many,
            Self::Idle => usize::from(blow.asks()),
        }
    }
}

/// Which loads are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Loads {
    /// Nothing but the write that measures
    Idle,
    /// Clients that write as fast as they are answered
    Loaded,
    /// One after the other
    #[default]
    Both,
}

impl Loads {
    /// As on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Loaded => "loaded",
            Self::Both => "both",
        }
    }

    pub(super) fn each(self) -> &'static [Load] {
        match self {
            Self::Idle => &[Load::Idle],
            Self::Loaded => &[Load::Loaded],
            Self::Both => &[Load::Idle, Load::Loaded],
        }
    }
}
