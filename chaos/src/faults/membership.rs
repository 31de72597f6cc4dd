use std::time::Duration;

use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage};
use crate::error::ChaosError;

/// How long a change of members may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A follower loses its disk, and is taken in as a new one.
#[derive(Default)]
pub(super) struct WipedReplica {
    victim: Option<usize>,
}

#[async_trait(?Send)]
impl Fault for WipedReplica {
    fn name(&self) -> String {
        "wiped-replica".to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        let (_, others) = stage.leader_and_others().await?;
        let Some(&victim) = stage.running(&others).first() else {
            return Ok(Begun::Skipped("no follower runs".to_owned()));
        };
        stage.group.kill(victim).await?;
        stage.group.wipe(victim)?;
        self.victim = Some(victim);
        Ok(Begun::Struck(stage.names(&[victim])))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let Some(victim) = self.victim.take() else {
            return Ok(Seen::No("a replica that was wiped".to_owned()));
        };
        rejoin(stage, victim).await?;
        Ok(Seen::Yes)
    }
}

/// Has the group forget `victim`, which has lost its data, and take it in again under a new id.
pub(super) async fn rejoin(stage: &mut Stage, victim: usize) -> Result<(), ChaosError> {
    stage.group.let_go(victim, LIMIT).await?;
    stage.revive(&[victim])?;
    stage.group.take_in(victim, LIMIT).await
}

/// A further replica joins, and leaves when the fault is healed.
#[derive(Default)]
pub(super) struct MembershipChange {
    joined: Option<usize>,
}

#[async_trait(?Send)]
impl Fault for MembershipChange {
    fn name(&self) -> String {
        "membership-change".to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        if self.joined.is_some() {
            return Ok(Begun::Skipped("one that joined has not left yet".to_owned()));
        }
        let index = stage.group.start_another()?;
        self.joined = Some(index);
        stage.group.take_in(index, LIMIT).await?;
        Ok(Begun::Struck(stage.names(&[index])))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let Some(index) = self.joined.take() else {
            return Ok(Seen::No("a replica that joined".to_owned()));
        };
        stage.group.let_go(index, LIMIT).await?;
        stage.group.retire_last();
        Ok(Seen::Yes)
    }
}
