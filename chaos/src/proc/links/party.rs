use std::fmt;

/// Somebody at one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// The replica of that index.
    Replica(usize),
    /// The clients within this process.
    Clients,
    /// The simulated agents, all in the fake cloud's process.
    Nodes,
    /// The fake cloud itself, where it is called.
    Cloud,
    /// Some process that nobody told us of.
    Stranger,
}

impl fmt::Display for Party {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replica(index) => write!(formatter, "r{}", index + 1),
            Self::Clients => formatter.write_str("clients"),
            Self::Nodes => formatter.write_str("nodes"),
            Self::Cloud => formatter.write_str("cloud"),
            Self::Stranger => formatter.write_str("stranger"),
        }
    }
}
