use std::{path::Path, time::Duration};

use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage};
use crate::error::ChaosError;

/// How long a replica may take to serve again.
const LIMIT: Duration = Duration::from_secs(60);

/// One replica after the other is stopped with SIGTERM, started, and waited for.
pub(super) struct RollingRestart;

#[async_trait(?Send)]
impl Fault for RollingRestart {
    fn name(&self) -> String {
        "rolling-restart".to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        let all: Vec<_> = stage.indices().collect();
        for &index in &all {
            restart(stage, index).await?;
        }
        Ok(Begun::Struck(stage.names(&all)))
    }

    async fn heal(&mut self, _: &mut Stage) -> Result<Seen, ChaosError> {
        // Each end and each return was waited for.
        Ok(Seen::Yes)
    }
}

/// Followers run another build of the program for a while: two versions in one group, and the way back.
#[derive(Default)]
pub(super) struct TwoVersions {
    changed: Vec<usize>,
}

#[async_trait(?Send)]
impl Fault for TwoVersions {
    fn name(&self) -> String {
        "two-versions".to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        let Some(other) = stage.other_program.clone() else {
            let why =
                "there is no other build to run beside this one; name one with --other-navarch";
            return Ok(Begun::Skipped(why.to_owned()));
        };
        let (_, others) = stage.leader_and_others().await?;
        // Less than a majority, so that both versions vote on everything.
        for &index in others.iter().take(stage.group.len() / 2) {
            self.changed.push(index);
            change(stage, index, &other).await?;
        }
        Ok(Begun::Struck(stage.names(&self.changed)))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let program = stage.program.clone();
        for index in std::mem::take(&mut self.changed) {
            change(stage, index, &program).await?;
        }
        Ok(Seen::Yes)
    }
}

async fn change(stage: &mut Stage, index: usize, program: &Path) -> Result<(), ChaosError> {
    // What runs goes on with the program that it began with; the next start is another's.
    stage.group.run_from(index, program);
    restart(stage, index).await
}

/// Stops replica `index` with SIGTERM, starts it, and waits until it serves again.
pub(super) async fn restart(stage: &mut Stage, index: usize) -> Result<(), ChaosError> {
    stage.group.terminate(index).await?;
    stage.group.bring_back(index, LIMIT).await
}
