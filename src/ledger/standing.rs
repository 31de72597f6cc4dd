/// Whether this replica may act as leader. Raft's leadership alone is not enough: a leader acts only within
/// a session, which opens after everything before it has been applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Another replica leads, or none does.
    #[default]
    Following,
    /// This replica was elected to lead the Raft group, and opens its session once a quorum confirms that.
    Opening,
    /// This replica leads, in the session that is named by the log index of its opening entry.
    Leading {
        /// The session id.
        session: u64,
    },
}

impl Standing {
    /// The open session, if this replica leads one.
    pub fn session(self) -> Option<u64> {
        match self {
            Self::Leading { session } => Some(session),
            Self::Following | Self::Opening => None,
        }
    }
}
