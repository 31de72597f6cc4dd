use navarch::client::Client;

use crate::{error::ChaosError, proc::Group};

/// Replicas of a group, each reachable on its own: processes, or simulated ones.
pub trait Members {
    /// How many there are.
    fn count(&self) -> usize;

    /// The name of one.
    fn name(&self, index: usize) -> &str;

    /// A client that asks that one alone.
    fn client_of(&self, index: usize) -> Client;

    /// A client that balances over all.
    ///
    /// # Errors
    ///
    /// If an address is none.
    fn client(&self) -> Result<Client, ChaosError>;
}

impl Members for Group {
    fn count(&self) -> usize {
        self.len()
    }

    fn name(&self, index: usize) -> &str {
        Self::name(self, index)
    }

    fn client_of(&self, index: usize) -> Client {
        Self::client_of(self, index)
    }

    fn client(&self) -> Result<Client, ChaosError> {
        Self::client(self)
    }
}
