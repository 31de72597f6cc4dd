use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage};
use crate::error::ChaosError;

/// The leader stands still (SIGSTOP) until others have elected one, and then goes on where it was (SIGCONT),
/// believing that it leads.
#[derive(Default)]
pub(super) struct PauseLeader {
    leader: Option<(usize, u64)>,
}

#[async_trait(?Send)]
impl Fault for PauseLeader {
    fn name(&self) -> String {
        "pause-leader".to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        let leader = stage.leader().await?;
        let term = stage.group.standing(leader).await.map_or(0, |standing| standing.term);
        stage.group.pause(leader)?;
        self.leader = Some((leader, term));
        Ok(Begun::Struck(stage.names(&[leader])))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let Some((paused, term)) = self.leader.take() else {
            return Ok(Seen::No("a leader that was paused".to_owned()));
        };
        let sought = "another leader while it stood still: it must do so for longer than its lease";
        let seen = super::elected_since(stage, &[paused], term).await;
        stage.group.resume(paused)?;
        Ok(Seen::when(seen, sought))
    }
}
