use async_trait::async_trait;

use super::Stage;
use crate::error::ChaosError;

/// Something that goes wrong, and is put right again.
#[async_trait(?Send)]
pub trait Fault {
    /// Its name in the catalogue.
    fn name(&self) -> String;

    /// Has it go wrong.
    ///
    /// # Errors
    ///
    /// If it cannot be tried, for a reason that is none to skip it.
    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError>;

    /// Puts right what was made wrong, as far as it has to be, and says whether it had an effect.
    ///
    /// # Errors
    ///
    /// If it cannot be put right.
    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError>;
}

/// How a fault began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// These were struck.
    Struck(Vec<String>),
    /// It cannot be tried here, for this reason.
    Skipped(String),
}

/// Whether a fault had an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It had: it was seen.
    Yes,
    /// Nobody saw one, and this is what was looked for.
    No(String),
}

impl Seen {
    /// `Yes` if `seen`; if not, what was looked for.
    pub(super) fn when(seen: bool, sought: &str) -> Self {
        if seen { Self::Yes } else { Self::No(sought.to_owned()) }
    }
}
