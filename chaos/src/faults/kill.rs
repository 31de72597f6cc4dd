use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage};
use crate::error::ChaosError;

/// Whom a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The one that leads.
    Leader,
    /// One that follows.
    Follower,
    /// The leader and as many others as make a majority.
    Majority,
    /// All of them.
    All,
}

impl Whom {
    /// As part of a fault's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Majority => "majority",
            Self::All => "all",
        }
    }

    /// Those that run and are to be struck.
    pub(super) async fn of(self, stage: &Stage) -> Result<Vec<usize>, ChaosError> {
        if self == Self::All {
            return Ok(stage.running(&stage.indices().collect::<Vec<_>>()));
        }
        let (leader, others) = stage.leader_and_others().await?;
        let victims = match self {
            Self::Leader | Self::All => vec![leader],
            Self::Follower => others.into_iter().take(1).collect(),
            Self::Majority => {
                let further = others.into_iter().take(stage.group.len() / 2);
                std::iter::once(leader).chain(further).collect()
            }
        };
        Ok(stage.running(&victims))
    }
}

/// Replicas are killed with -9, and started again.
pub(super) struct Kill {
    whom: Whom,
    victims: Vec<usize>,
}

impl Kill {
    /// Of those whom it strikes.
    pub(super) fn new(whom: Whom) -> Self {
        Self { whom, victims: Vec::new() }
    }
}

#[async_trait(?Send)]
impl Fault for Kill {
    fn name(&self) -> String {
        format!("kill-{}", self.whom.word())
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        self.victims = self.whom.of(stage).await?;
        for &victim in &self.victims {
            // Its end is waited for, and thereby seen.
            stage.group.kill(victim).await?;
        }
        Ok(Begun::Struck(stage.names(&self.victims)))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        stage.revive(&self.victims)?;
        Ok(Seen::when(!self.victims.is_empty(), "a replica that ran and was killed"))
    }
}
